"""azure-iot-device against the hub: every call that it offers over MQTT, over TLS and over WebSocket."""

import json
import threading

import pytest
from azure.iot.device import Message
from azure.iot.hub.models import Twin

from support.devices import device
from support.service import desired, method, plain

DEVICE = "azure-iot-device 2.14"


@pytest.fixture(params=["tls", "wss"])
def options(request):
    return {"websockets": request.param == "wss"}


def row(call, result="works"):
    return pytest.mark.row(sdk=DEVICE, call=call, result=result)


@row("`connect`, `disconnect`, `connect` again, `shutdown`")
def test_it_connects_and_comes_back(hub, name, options):
    with device(hub, name, **options) as it:
        assert it.client.connected
        it.client.disconnect()
        assert not it.client.connected
        it.client.connect()
        assert it.client.connected
    assert it.failures == []


@row("`send_message`: body, properties, content type, 256 KiB")
def test_telemetry_is_acknowledged(hub, name, options):
    message = Message(json.dumps({"t": 21.5}), message_id="m-1", content_encoding="utf-8", content_type="application/json")
    message.correlation_id = "c/1?&="
    message.custom_properties["alert level"] = "high & dry"
    with device(hub, name, **options) as it:
        # Each returns when the hub's PUBACK is there.
        it.client.send_message(message)
        it.client.send_message("plain text, ünïcode")
        it.client.send_message(Message(b"\0" * (255 * 1024)))


@row("`get_twin`")
def test_a_twin_is_read(hub, name, options):
    with device(hub, name, **options) as it:
        assert it.client.get_twin() == {"desired": {"$version": 1}, "reported": {"$version": 1}}


@row("`patch_twin_reported_properties`")
def test_reported_properties_are_merged_and_nulls_delete(hub, name, options):
    registry = hub.registry()
    with device(hub, name, **options) as it:
        it.client.patch_twin_reported_properties({"firmware": {"version": "1.0.0", "slot": "a"}, "level": 1.5})
        it.client.patch_twin_reported_properties({"firmware": {"slot": None}, "list": [1, "two", {"three": 3}]})
        seen = {"firmware": {"version": "1.0.0"}, "level": 1.5, "list": [1, "two", {"three": 3}], "$version": 3}
        assert it.client.get_twin()["reported"] == seen
    reported = registry.get_twin(name).properties.reported
    assert reported["$metadata"]["firmware"]["version"].keys() == {"$lastUpdated"}
    assert plain(reported) == plain(seen)


@row("desired properties: patches with `$version`, nulls kept")
def test_desired_properties_arrive_as_they_were_sent(hub, name, options):
    registry = hub.registry()
    with device(hub, name, **options) as it:
        it.listen()
        registry.update_twin(name, desired({"interval": 5, "mode": {"night": True}}))
        assert it.next_patch() == {"interval": 5, "mode": {"night": True}, "$version": 2}
        registry.update_twin(name, Twin.from_dict({"properties": {"desired": {"interval": None}}}))
        assert it.next_patch() == {"interval": None, "$version": 3}
        assert it.client.get_twin()["desired"] == {"mode": {"night": True}, "$version": 3}


@row("direct methods: names, payloads, statuses")
def test_methods_are_called_and_answered(hub, name, options):
    registry = hub.registry()
    with device(hub, name, **options) as it:
        it.answers["refuse"] = lambda _: (418, None)
        it.listen()
        answer = registry.invoke_device_method(name, method("reboot", {"delay": [1, 2.5]}))
        assert (answer.status, answer.payload) == (200, {"echo": {"delay": [1, 2.5]}})
        answer = registry.invoke_device_method(name, method("refuse", "text"))
        assert (answer.status, answer.payload) == (418, None)
        assert [it.methods.get_nowait() for _ in range(2)] == [("reboot", {"delay": [1, 2.5]}), ("refuse", "text")]


@row("direct methods: payload omitted, payload `null`")
def test_a_payload_may_be_missing(hub, name, options):
    """The service SDK cannot leave a payload out: None becomes an empty text before it is sent."""
    registry = hub.registry()
    with device(hub, name, **options) as it:
        it.listen()
        for payload, seen in [(None, ""), ({}, {}), (0, 0), (False, False), ([], [])]:
            answer = registry.invoke_device_method(name, method("any", payload))
            assert answer.payload == {"echo": seen}


@row("direct methods: 20 in flight at once")
def test_many_methods_are_in_flight(hub, name, options):
    registry = hub.registry()
    answers = []

    def call(n):
        request = method("slow", n, response_timeout_in_seconds=60)
        answers.append((n, registry.invoke_device_method(name, request).payload))

    with device(hub, name, **options) as it:
        it.listen()
        it.answers["slow"] = lambda payload: (200, payload * 10)
        callers = [threading.Thread(target=call, args=(n,)) for n in range(20)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert sorted(answers) == [(n, n * 10) for n in range(20)]
