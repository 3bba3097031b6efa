"""azure-iot-device against the hub: every call that it offers over MQTT, over TLS and over WebSocket."""

import base64
import json
import threading

import pytest
from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse
from azure.iot.device.exceptions import ClientError
from azure.iot.hub.models import Twin

from support.devices import device, module, shut_down
from support.program import wait_until
from support.rows import client
from support.service import PRIMARY, SECONDARY, desired, method, plain


@pytest.fixture(params=["tls", "wss"])
def options(request):
    return {"websockets": request.param == "wss"}


@client("connect")
@client("disconnect")
@client("shutdown")
@client("connected")
@client("on_connection_state_change")
def test_it_connects_and_comes_back(hub, name, options):
    with device(hub, name, **options) as it:
        assert it.client.connected
        it.client.disconnect()
        assert not it.client.connected
        it.client.connect()
        assert it.client.connected
    assert it.changes == 4
    assert it.failures == []


@client("send_message", "body, properties, content type, 255 KiB: kept by `--telemetry` as they were sent")
def test_telemetry_is_acknowledged_and_kept(start_hub, name, options, tmp_path):
    file = tmp_path / "telemetry.ndjson"
    hub = start_hub("--telemetry", file)
    message = Message(
        json.dumps({"t": 21.5}), message_id="m-1", content_encoding="utf-8", content_type="application/json"
    )
    message.correlation_id = "c/1?&="
    message.custom_properties["alert level"] = "high & dry"
    with device(hub, name, **options) as it:
        # Each returns when the hub's PUBACK is there.
        it.client.send_message(message)
        it.client.send_message("plain text, ünïcode")
        it.client.send_message(Message(b"\xff" * (255 * 1024)))
    # What was acknowledged is in the file when the hub has ended.
    hub.stop()
    first, second, third = map(json.loads, file.read_text().splitlines())
    assert (first["deviceId"], first["body"]) == (name, {"t": 21.5})
    assert first["properties"] == {"alert level": "high & dry"}
    assert first["systemProperties"].items() >= {
        ("message-id", "m-1"),
        ("correlation-id", "c/1?&="),
        ("content-type", "application/json"),
        ("content-encoding", "utf-8"),
    }
    assert second["body"] == "plain text, ünïcode"
    assert base64.b64decode(third["body"]) == b"\xff" * (255 * 1024)


@client("get_twin")
def test_a_twin_is_read(hub, name, options):
    with device(hub, name, **options) as it:
        assert it.client.get_twin() == {"desired": {"$version": 1}, "reported": {"$version": 1}}


@client("patch_twin_reported_properties")
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


@client("on_twin_desired_properties_patch_received", "patches with `$version`, nulls kept")
def test_desired_properties_arrive_as_they_were_sent(hub, name, options):
    registry = hub.registry()
    with device(hub, name, **options) as it:
        it.listen()
        registry.update_twin(name, desired({"interval": 5, "mode": {"night": True}}))
        assert it.next_patch() == {"interval": 5, "mode": {"night": True}, "$version": 2}
        registry.update_twin(name, Twin.from_dict({"properties": {"desired": {"interval": None}}}))
        assert it.next_patch() == {"interval": None, "$version": 3}
        assert it.client.get_twin()["desired"] == {"mode": {"night": True}, "$version": 3}


@client("on_method_request_received", "names, payloads")
@client("send_method_response", "statuses, payloads")
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


@client("on_method_request_received", "empty payloads of all kinds")
def test_a_payload_may_be_missing(hub, name, options):
    """The service SDK cannot leave a payload out: None becomes an empty text before it is sent."""
    registry = hub.registry()
    with device(hub, name, **options) as it:
        it.listen()
        for payload, seen in [(None, ""), ({}, {}), (0, 0), (False, False), ([], [])]:
            answer = registry.invoke_device_method(name, method("any", payload))
            assert answer.payload == {"echo": seen}


@client("on_method_request_received", "20 requests in flight at once")
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


# The calls that wait, beside the handlers.


@client("receive_method_request")
def test_a_request_is_waited_for(hub, name):
    registry = hub.registry()
    with device(hub, name) as it:
        assert it.client.receive_method_request("any", block=False) is None
        answers = []
        call = threading.Thread(target=lambda: answers.append(registry.invoke_device_method(name, method("any", 5))))
        call.start()
        request = it.client.receive_method_request("any", timeout=30)
        it.client.send_method_response(MethodResponse.create_from_method_request(request, 202, {"n": request.payload}))
        call.join()
    assert [(answer.status, answer.payload) for answer in answers] == [(202, {"n": 5})]


@client("receive_twin_desired_properties_patch")
def test_a_patch_is_waited_for(hub, name):
    registry = hub.registry()
    with device(hub, name) as it:
        assert it.client.receive_twin_desired_properties_patch(block=False) is None
        registry.update_twin(name, desired({"level": 1}))
        assert it.client.receive_twin_desired_properties_patch(timeout=30) == {"level": 1, "$version": 2}


@client("receive_message", result="works: messages from the cloud come over AMQP, so that there are none")
def test_no_message_comes(hub, name, options):
    with device(hub, name, **options) as it:
        assert it.client.receive_message(timeout=1) is None
        it.client.send_message("the subscription is fine")


@client("on_message_received", result="works: there are none")
def test_a_handler_of_messages_is_set(hub, name, options):
    with device(hub, name, **options) as it:
        it.client.on_message_received = it.methods.put
        it.client.send_message("the subscription is fine")
        assert it.methods.empty()


@client("receive_message_on_input", result="works: nothing is routed to a module")
def test_no_message_comes_to_an_input(hub, name, options):
    registry = hub.registry()
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    with module(hub, name, "m", PRIMARY, **options) as it:
        assert it.client.receive_message_on_input("in", timeout=1) is None
        it.client.send_message("the subscription is fine")


@client("on_background_exception", "a connection that is lost")
def test_what_goes_wrong_in_the_background_is_told(hub, name):
    with device(hub, name, connection_retry=False) as older:
        with device(hub, name):
            wait_until(lambda: older.failures, "the older connection's failure")


@client("on_new_sastoken_required", "and `update_sastoken`: the connection changes over to the new token")
@client("update_sastoken")
def test_a_new_token_is_asked_for(hub, name):
    first = hub.device_token(name, 122)
    made = IoTHubDeviceClient.create_from_sastoken(first, server_verification_cert=hub.ca)
    asked = threading.Event()
    made.on_new_sastoken_required = asked.set
    with shut_down(made) as it:
        # Two minutes before the end.
        assert asked.wait(30)
        it.client.update_sastoken(hub.device_token(name, 600))
        it.wait_connected()
        it.client.send_message("with the new token")


@client("get_storage_info_for_blob", result="refused: the hub has no storage account")
@client("notify_blob_upload_status", result="refused: the hub has no storage account")
def test_files_are_not_taken(hub, name):
    with device(hub, name) as it:
        with pytest.raises(ClientError):
            it.client.get_storage_info_for_blob("file")
        with pytest.raises(ClientError):
            it.client.notify_blob_upload_status("id", True, 200, "done")


@client("invoke_method", "of IoTHubModuleClient", result="refused: for modules of IoT Edge alone")
def test_methods_are_not_invoked_by_modules(hub, name):
    registry = hub.registry()
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    with module(hub, name, "m", PRIMARY) as it:
        with pytest.raises(ClientError):
            it.client.invoke_method({"methodName": "any", "payload": 1}, name)
