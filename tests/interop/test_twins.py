"""azure-iot-hub's IoTHubRegistryManager against the hub: twins of devices and modules, methods, errors of both."""

import threading

import pytest
from azure.iot.device.exceptions import ClientError
from azure.iot.hub.models import Twin

from support.devices import device, module
from support.rows import client, service
from support.service import PRIMARY, SECONDARY, desired, method, plain, refused


@pytest.fixture
def registry(hub):
    return hub.registry()


@pytest.fixture
def made(registry, name):
    """A device."""
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    return name


@pytest.fixture
def with_module(registry, made):
    """A device with a module `m`."""
    registry.create_module_with_sas(made, "m", "", PRIMARY, SECONDARY)
    return made


@service("get_twin")
def test_a_new_twin_is_read(registry, made):
    twin = registry.get_twin(made)
    assert (twin.device_id, twin.status, twin.authentication_type) == (made, "enabled", "sas")
    assert (twin.properties.desired["$version"], twin.properties.reported["$version"]) == (1, 1)
    assert twin.etag == "AAAAAAAAAAE="
    assert twin.device_etag == registry.get_device(made).etag
    assert twin.connection_state == "Disconnected"
    with refused(404, "DeviceNotFound"):
        registry.get_twin(f"{made}-not")


@service("update_twin")
def test_a_twin_is_patched(registry, made):
    first = registry.update_twin(made, Twin(tags={"site": {"floor": 1, "room": "a"}}))
    twin = desired({"level": 1, "gone": {"soon": True}})
    second = registry.update_twin(made, twin, first.etag)
    third = registry.update_twin(
        made, Twin.from_dict({"tags": {"site": {"room": None}}, "properties": {"desired": {"gone": None}}})
    )
    assert third.tags == {"site": {"floor": 1}}
    assert plain(third.properties.desired) == {"level": 1}
    assert third.properties.desired["$version"] == 3
    assert len({first.etag, second.etag, third.etag}) == 3
    with refused(412, "PreconditionFailed"):
        registry.update_twin(made, twin, first.etag)
    with refused(404, "DeviceNotFound"):
        registry.update_twin(f"{made}-not", twin)


@service("replace_twin")
def test_a_twin_is_replaced(registry, made):
    registry.update_twin(made, Twin(tags={"a": 1}, properties=desired({"a": 1}).properties))
    replaced = registry.replace_twin(made, Twin(tags={"b": 2}, properties=desired({"c": 3}).properties))
    assert replaced.tags == {"b": 2}
    assert plain(replaced.properties.desired) == {"c": 3}
    with refused(412, "PreconditionFailed"):
        registry.replace_twin(made, desired({}), "AAAAAAAAAAE=")


@service("get_module_twin")
def test_a_new_twin_of_a_module_is_read(registry, with_module):
    twin = registry.get_module_twin(with_module, "m")
    assert (twin.device_id, twin.module_id) == (with_module, "m")
    assert twin.properties.desired["$version"] == 1
    with refused(404, "DeviceNotFound"):
        registry.get_module_twin(with_module, "n")


@service("update_module_twin")
def test_a_twin_of_a_module_is_patched(registry, with_module):
    changed = registry.update_module_twin(with_module, "m", desired({"level": 1}))
    assert plain(changed.properties.desired) == {"level": 1}
    assert plain(registry.get_twin(with_module).properties.desired) == {}
    with refused(412, "PreconditionFailed"):
        registry.update_module_twin(with_module, "m", desired({}), "AAAAAAAAAAE=")


@service("replace_module_twin")
def test_a_twin_of_a_module_is_replaced(registry, with_module):
    registry.update_module_twin(with_module, "m", desired({"level": 1}))
    replaced = registry.replace_module_twin(with_module, "m", desired({"other": 2}))
    assert plain(replaced.properties.desired) == {"other": 2}


def deep(levels):
    return {"x": deep(levels - 1)} if levels else 1


@service("update_twin", "beyond the limits of keys, depth, numbers, sizes", result="refused, 400")
@pytest.mark.parametrize(
    "patch",
    [
        {"a.b": 1},
        {"a b": 1},
        {"a$": 1},
        {"k" * 1025: 1},
        {"text": "x" * 4097},
        {"number": 2**52 + 1},
        {"list": [1, None]},
        deep(12),
        {f"k{n}": "x" * 4000 for n in range(9)},
    ],
    ids=["dot", "space", "dollar", "long-key", "long-text", "number", "null-in-array", "depth", "size"],
)
def test_a_twin_has_limits(registry, made, patch):
    before = registry.get_twin(made)
    with refused(400, "ArgumentInvalid"):
        registry.update_twin(made, desired(patch))
    assert registry.get_twin(made).etag == before.etag


@client("patch_twin_reported_properties", "beyond the limits", result="refused, 400: ClientError")
@pytest.mark.parametrize("patch", [{"a.b": 1}, {"text": "x" * 4097}, deep(12)], ids=["key", "text", "depth"])
def test_a_device_hears_of_limits(hub, made, patch):
    with device(hub, made, PRIMARY) as it:
        with pytest.raises(ClientError):
            it.client.patch_twin_reported_properties(patch)
        # The connection is as good as before.
        it.client.patch_twin_reported_properties({"fine": True})
        assert plain(it.client.get_twin()["reported"]) == {"fine": True}


# Methods.


@service("invoke_device_method")
def test_a_method_is_invoked(hub, registry, made):
    with device(hub, made, PRIMARY) as it:
        it.listen()
        answer = registry.invoke_device_method(made, method("ping", {"n": 1}))
    assert (answer.status, answer.payload) == (200, {"echo": {"n": 1}})


@service("invoke_device_module_method")
def test_a_method_of_a_module_is_invoked(hub, registry, with_module):
    with module(hub, with_module, "m", PRIMARY) as it:
        it.listen()
        answer = registry.invoke_device_module_method(with_module, "m", method("ping", {"n": 1}))
    assert (answer.status, answer.payload) == (200, {"echo": {"n": 1}})


@service("invoke_device_method", "device offline, or without a handler", result="refused, 404 DeviceNotOnline")
def test_a_method_needs_a_device_that_listens(hub, registry, made):
    with refused(404, "DeviceNotOnline"):
        registry.invoke_device_method(made, method("ping"))
    with device(hub, made, PRIMARY), refused(404, "DeviceNotOnline"):
        registry.invoke_device_method(made, method("ping"))


@service("invoke_device_method", "device unknown", result="refused, 404 DeviceNotFound")
def test_a_method_needs_a_device(registry, made):
    with refused(404, "DeviceNotFound"):
        registry.invoke_device_method(f"{made}-not", method("ping"))


@service("invoke_device_method", "no answer in time", result="refused, 504 GatewayTimeout")
def test_a_method_times_out(hub, registry, made):
    with device(hub, made, PRIMARY) as it:
        # The request is taken, and never answered.
        it.client.on_method_request_received = it.methods.put
        with refused(504, "GatewayTimeout"):
            registry.invoke_device_method(made, method("ping", response_timeout_in_seconds=5))
        assert it.methods.qsize() == 1


@service("invoke_device_method", "`connect_timeout_in_seconds`: waits for a device to come")
def test_a_method_waits_for_its_device(hub, registry, made):
    answers = []
    request = method("ping", 1, response_timeout_in_seconds=30, connect_timeout_in_seconds=30)
    caller = threading.Thread(target=lambda: answers.append(registry.invoke_device_method(made, request)))
    caller.start()
    with device(hub, made, PRIMARY) as it:
        it.listen()
        caller.join()
    assert [answer.payload for answer in answers] == [{"echo": 1}]


@service("invoke_device_method", "time-outs out of range", result="refused, 400")
@pytest.mark.parametrize("timeouts", [(4, 0), (301, 0), (30, 301), (10, 20)], ids=str)
def test_timeouts_have_ranges(registry, made, timeouts):
    response, connect = timeouts
    with refused(400, "ArgumentInvalid"):
        registry.invoke_device_method(
            made, method("ping", response_timeout_in_seconds=response, connect_timeout_in_seconds=connect)
        )


# Modules at the device's side.


@client("IoTHubModuleClient", "twin, desired patches, telemetry, methods")
@pytest.mark.parametrize("websockets", [False, True], ids=["tls", "wss"])
def test_a_module_does_what_a_device_does(hub, registry, with_module, websockets):
    with (
        module(hub, with_module, "m", PRIMARY, websockets=websockets) as it,
        device(hub, with_module, PRIMARY) as its_device,
    ):
        it.listen()
        its_device.listen()
        it.client.send_message("telemetry of a module")
        it.client.patch_twin_reported_properties({"of": "module"})
        registry.update_module_twin(with_module, "m", desired({"level": 7}))
        assert it.next_patch() == {"level": 7, "$version": 2}
        assert plain(it.client.get_twin()["desired"]) == {"level": 7}
        assert plain(its_device.client.get_twin()["desired"]) == {}
        assert its_device.patches.empty()
    assert plain(registry.get_module_twin(with_module, "m").properties.reported) == {"of": "module"}
    assert plain(registry.get_twin(with_module).properties.reported) == {}


@client("send_message_to_output")
def test_a_module_sends_to_its_outputs(hub, registry, with_module):
    with module(hub, with_module, "m", PRIMARY) as it:
        it.client.send_message_to_output("to an output", "out")
