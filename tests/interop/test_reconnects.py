"""Connections that end and come back: a hub that restarts, a newer connection, handlers that stay."""

from contextlib import ExitStack

import pytest

from support.devices import device
from support.program import wait_until
from support.rows import client, together
from support.service import PRIMARY, SECONDARY, desired, method, plain

TRANSPORTS = pytest.mark.parametrize("websockets", [False, True], ids=["tls", "wss"])


@together(
    "a hub that is killed and starts again: devices come back by themselves, with all they had set"
)
def test_devices_come_back_to_a_hub_that_restarts(start_hub, name):
    hub = start_hub()
    registry = hub.registry()
    with ExitStack() as stack:
        devices = [stack.enter_context(device(hub, f"{name}-{n}", websockets=n % 2 == 1)) for n in range(4)]
        for it in devices:
            it.listen()
            it.client.patch_twin_reported_properties({"life": 1})
        changes = [it.changes for it in devices]
        hub.restart()
        for it, before in zip(devices, changes):
            # It may be back before anybody looks: that it went is told by its changes.
            wait_until(lambda: it.changes > before, "the end of the connection")
        for n, it in enumerate(devices):
            it.wait_connected()
            it.client.send_message("here again")
            # Nothing of this was subscribed to again.
            it.client.patch_twin_reported_properties({"life": 2})
            assert plain(it.client.get_twin()["reported"]) == {"life": 2}
            registry.update_twin(f"{name}-{n}", desired({"level": n}))
            wait_until(lambda: it.next_patch().get("level") == n, "the patch that was sent")
            answer = registry.invoke_device_method(f"{name}-{n}", method("ping", n))
            assert answer.payload == {"echo": n}
        assert registry.get_service_statistics().connected_device_count == 4


@client("connect", "the newest connection of a device wins, the older is closed")
@TRANSPORTS
def test_the_newest_connection_wins(hub, name, websockets):
    with device(hub, name, websockets=websockets, connection_retry=False) as older:
        older.listen()
        with device(hub, name, websockets=websockets) as newer:
            newer.listen()
            older.wait_connected(False)
            answer = hub.registry().invoke_device_method(name, method("ping", 1))
            assert answer.payload == {"echo": 1}
            assert newer.methods.get_nowait() == ("ping", 1)
            assert older.methods.empty()
            assert newer.client.connected


@client("on_method_request_received", "subscriptions outlive the connection: the SDK does not subscribe again")
@TRANSPORTS
def test_subscriptions_outlive_the_connection(hub, name, websockets):
    registry = hub.registry()
    with device(hub, name, websockets=websockets) as it:
        it.listen()
        # The SDK subscribes to answers of its own requests with the first of them.
        it.client.get_twin()
        it.client.disconnect()
        registry.update_twin(name, desired({"missed": 1}))
        it.client.connect()
        # The SDK reads the twin, and makes a patch of what it had missed.
        assert it.next_patch() == {"missed": 1, "$version": 2}
        registry.update_twin(name, desired({"level": 2}))
        assert it.next_patch() == {"level": 2, "$version": 3}
        assert registry.invoke_device_method(name, method("ping", 1)).payload == {"echo": 1}


@client("connection_retry", "a connection that the hub ends: the SDK comes back, and everything that was set goes on")
@TRANSPORTS
def test_a_device_comes_back_when_the_hub_ends_its_connection(hub, name, websockets):
    registry = hub.registry()
    made = registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    with device(hub, name, PRIMARY, websockets=websockets, connection_retry_interval=2) as it:
        it.listen()
        # A second client of the same device takes its place, until the first is back.
        with device(hub, name, PRIMARY, connection_retry=False) as other:
            wait_until(lambda: it.changes >= 3, "the connection was lost and is back")
            other.wait_connected(False)
        it.wait_connected()
        registry.update_twin(name, desired({"level": 1}))
        assert it.next_patch()["level"] == 1
        assert registry.invoke_device_method(name, method("ping", 1)).payload == {"echo": 1}
        it.client.patch_twin_reported_properties({"back": True})
    assert plain(registry.get_twin(name).properties.reported) == {"back": True}
    assert made.generation_id == registry.get_device(name).generation_id


@client("a connection", "of a device that is disabled, or deleted", result="closed by the hub")
@pytest.mark.parametrize("end", ["disabled", "deleted"])
def test_who_may_no_longer_connect_is_disconnected(hub, name, end):
    registry = hub.registry()
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    with device(hub, name, PRIMARY, connection_retry=False) as it:
        if end == "disabled":
            registry.update_device_with_sas(name, None, PRIMARY, SECONDARY, "disabled")
        else:
            registry.delete_device(name)
        it.wait_connected(False)
