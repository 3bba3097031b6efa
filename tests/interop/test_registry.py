"""azure-iot-hub's IoTHubRegistryManager against the hub: identities, modules, bulk, statistics."""

import pytest
from azure.iot.device.exceptions import ClientError
from azure.iot.hub.models import AuthenticationMechanism, ExportImportDevice, PropertyContainer, SymmetricKey

from support.devices import device
from support.program import wait_until
from support.rows import client, service
from support.service import PRIMARY, SECONDARY, THUMB_1, THUMB_2, method, plain, refused


@pytest.fixture
def registry(hub):
    return hub.registry()


def create(registry, name, status="enabled"):
    return registry.create_device_with_sas(name, PRIMARY, SECONDARY, status)


@service("create_device_with_sas")
def test_a_device_is_created_once(registry, name):
    made = registry.create_device_with_sas(name, PRIMARY, SECONDARY, "disabled", status_reason="not yet")
    assert (made.device_id, made.status, made.status_reason) == (name, "disabled", "not yet")
    assert made.authentication.type == "sas"
    assert made.authentication.symmetric_key.primary_key == PRIMARY
    assert made.authentication.symmetric_key.secondary_key == SECONDARY
    assert made.connection_state == "Disconnected"
    assert made.generation_id and made.etag and '"' not in made.etag
    assert made.last_activity_time.year == 1
    with refused(409, "DeviceAlreadyExists"):
        create(registry, name)


@service("create_device_with_sas", "without keys: the hub makes them")
def test_the_hub_makes_keys(registry, hub, name):
    made = registry.create_device_with_sas(name, None, None, "enabled")
    keys = made.authentication.symmetric_key
    assert keys.primary_key != keys.secondary_key
    for key in (keys.primary_key, keys.secondary_key):
        with device(hub, name, key) as it:
            assert it.client.connected


@service("create_device_with_sas", "one key alone", result="refused, 400")
def test_keys_come_in_pairs(registry, name):
    with refused(400, "ArgumentInvalid"):
        registry.create_device_with_sas(name, PRIMARY, None, "enabled")
    with refused(404, "DeviceNotFound"):
        registry.get_device(name)


@service("create_device_with_x509")
def test_a_device_with_thumbprints_is_created(registry, name):
    made = registry.create_device_with_x509(name, THUMB_1, THUMB_2, "enabled")
    assert made.authentication.type == "selfSigned"
    assert made.authentication.x509_thumbprint.primary_thumbprint == THUMB_1
    assert made.authentication.x509_thumbprint.secondary_thumbprint == THUMB_2


@service("create_device_with_certificate_authority")
def test_a_device_of_a_ca_is_created(registry, name):
    assert (
        registry.create_device_with_certificate_authority(name, "enabled").authentication.type == "certificateAuthority"
    )


@service("update_device_with_sas")
def test_an_update_needs_the_latest_etag(registry, name):
    made = create(registry, name)
    changed = registry.update_device_with_sas(name, made.etag, SECONDARY, PRIMARY, "disabled", status_reason="rotated")
    assert changed.authentication.symmetric_key.primary_key == SECONDARY
    assert (changed.status, changed.status_reason) == ("disabled", "rotated")
    assert changed.etag != made.etag
    with refused(412, "PreconditionFailed"):
        registry.update_device_with_sas(name, made.etag, PRIMARY, SECONDARY, "enabled")
    assert registry.update_device_with_sas(name, None, PRIMARY, SECONDARY, "enabled").status == "enabled"
    with refused(404, "DeviceNotFound"):
        registry.update_device_with_sas(f"{name}-not", None, PRIMARY, SECONDARY, "enabled")


@service("update_device_with_x509")
def test_a_device_changes_over_to_thumbprints(registry, name):
    made = create(registry, name)
    changed = registry.update_device_with_x509(name, made.etag, THUMB_1, THUMB_2, "enabled")
    assert changed.authentication.type == "selfSigned"
    assert changed.authentication.x509_thumbprint.primary_thumbprint == THUMB_1


@service("update_device_with_certificate_authority")
def test_a_device_changes_over_to_a_ca(registry, name):
    made = create(registry, name)
    changed = registry.update_device_with_certificate_authority(name, made.etag, "enabled")
    assert changed.authentication.type == "certificateAuthority"


@service("get_device")
def test_a_device_is_read(registry, name):
    made = create(registry, name)
    read = registry.get_device(name)
    assert (read.device_id, read.etag, read.generation_id) == (name, made.etag, made.generation_id)
    assert read.authentication.symmetric_key.primary_key == PRIMARY
    with refused(404, "DeviceNotFound"):
        registry.get_device(f"{name}-not")


@service("create_device_with_sas", "of ids with `%`, `$`, `'`, `@` and the other signs that are allowed")
def test_ids_may_hold_whatever_the_rules_allow(registry, hub, name):
    odd = name + "-%2F$'@!*()?=:,_."
    create(registry, odd)
    assert registry.get_device(odd).device_id == odd
    with device(hub, odd, PRIMARY) as it:
        it.client.patch_twin_reported_properties({"odd": True})
        it.client.send_message("telemetry of an odd id")
    assert plain(registry.get_twin(odd).properties.reported) == {"odd": True}
    registry.delete_device(odd)


@client(
    "connect", "of ids with `#` or `+`: reads and methods", result="works; the SDK itself cannot send telemetry of them"
)
def test_ids_may_hold_wildcards(registry, hub, name):
    odd = name + "-#+"
    create(registry, odd)
    assert registry.get_device(odd).device_id == odd
    with device(hub, odd, PRIMARY) as it:
        it.listen()
        it.client.patch_twin_reported_properties({"odd": True})
        assert registry.invoke_device_method(odd, method("ping", 1)).payload == {"echo": 1}
        # paho lets no topic pass that holds a wildcard.
        with pytest.raises(ClientError):
            it.client.send_message("telemetry of an odd id")
    assert plain(registry.get_twin(odd).properties.reported) == {"odd": True}


@service("delete_device")
def test_a_device_is_deleted(registry, hub, name):
    made = create(registry, name)
    with refused(412, "PreconditionFailed"):
        registry.delete_device(name, etag="AAAAAAAAAAA=")
    registry.delete_device(name, etag=made.etag)
    with refused(404, "DeviceNotFound"):
        registry.get_device(name)
    with refused(404, "DeviceNotFound"):
        registry.delete_device(name)


@service("get_devices")
def test_devices_are_listed(registry, name):
    names = {f"{name}-{n}" for n in range(5)}
    for each in names:
        create(registry, each)
    assert names <= {each.device_id for each in registry.get_devices()}
    assert len(registry.get_devices(3)) == 3


@service("get_device_registry_statistics")
def test_devices_are_counted(start_hub):
    registry = start_hub().registry()
    for n in range(3):
        create(registry, f"counted-{n}", "disabled" if n == 0 else "enabled")
    seen = registry.get_device_registry_statistics()
    assert (seen.total_device_count, seen.enabled_device_count, seen.disabled_device_count) == (3, 2, 1)


@service("get_service_statistics")
def test_connections_are_counted(start_hub):
    hub = start_hub()
    registry = hub.registry()
    assert registry.get_service_statistics().connected_device_count == 0
    with device(hub, "one"), device(hub, "two"):
        assert registry.get_service_statistics().connected_device_count == 2
    wait_until(lambda: registry.get_service_statistics().connected_device_count == 0, "no device is connected")


def bulk(name, mode, **more):
    return ExportImportDevice(id=name, import_mode=mode, **more)


@service("bulk_create_or_update_devices", "create, update, delete, twins, with etags")
def test_devices_are_made_and_changed_in_bulk(registry, name):
    names = [f"{name}-{n}" for n in range(100)]
    sas = AuthenticationMechanism(type="sas", symmetric_key=SymmetricKey(primary_key=PRIMARY, secondary_key=SECONDARY))
    done = registry.bulk_create_or_update_devices(
        [bulk(each, "create", status="enabled", authentication=sas, tags={"site": "a"}) for each in names]
    )
    assert done.is_successful and not done.errors
    assert registry.get_device(names[99]).authentication.symmetric_key.primary_key == PRIMARY
    assert registry.get_twin(names[0]).tags == {"site": "a"}

    etag, twin_etag = registry.get_device(names[1]).etag, registry.get_twin(names[3]).etag
    done = registry.bulk_create_or_update_devices(
        [
            bulk(names[0], "update", status="disabled", authentication=sas),
            bulk(names[1], "updateIfMatchETag", e_tag=etag, status="disabled", authentication=sas),
            bulk(names[2], "updateTwin", tags={"site": "b"}, properties=PropertyContainer(desired={"level": 1})),
            bulk(names[3], "updateTwinIfMatchETag", twin_etag=twin_etag, tags={"site": "c"}),
            bulk(names[4], "delete"),
            bulk(names[5], "deleteIfMatchETag", e_tag=registry.get_device(names[5]).etag),
        ]
    )
    assert done.is_successful, done.errors
    assert [registry.get_device(each).status for each in names[:3]] == ["disabled", "disabled", "enabled"]
    assert registry.get_twin(names[2]).tags == {"site": "b"}
    assert plain(registry.get_twin(names[2]).properties.desired) == {"level": 1}
    assert registry.get_twin(names[3]).tags == {"site": "c"}
    for gone in names[4:6]:
        with refused(404, "DeviceNotFound"):
            registry.get_device(gone)


@service("bulk_create_or_update_devices", "errors, device by device")
def test_a_bulk_request_tells_what_failed(registry, name):
    create(registry, name)
    done = registry.bulk_create_or_update_devices([bulk(name, "create"), bulk(f"{name}-new", "create")])
    assert not done.is_successful
    # The SDK gives the number as a text.
    assert [(error.device_id, error.error_code) for error in done.errors] == [(name, "409001")]


# Modules.


@service("create_module_with_sas")
def test_a_module_is_created_once(registry, name):
    create(registry, name)
    made = registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    assert (made.device_id, made.module_id) == (name, "m")
    assert made.authentication.symmetric_key.secondary_key == SECONDARY
    with refused(409, "ModuleAlreadyExistsOnDevice"):
        registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    # Not 404, as a real hub was seen to do it.
    with refused(401, "IotHubUnauthorizedAccess"):
        registry.create_module_with_sas(f"{name}-not", "m", "", PRIMARY, SECONDARY)


@service("create_module_with_x509")
def test_a_module_with_thumbprints_is_created(registry, name):
    create(registry, name)
    made = registry.create_module_with_x509(name, "m", "", THUMB_1, THUMB_2)
    assert made.authentication.type == "selfSigned"


@service("create_module_with_certificate_authority")
def test_a_module_of_a_ca_is_created(registry, name):
    create(registry, name)
    made = registry.create_module_with_certificate_authority(name, "m", "")
    assert made.authentication.type == "certificateAuthority"


@service("update_module_with_sas")
def test_a_module_is_changed(registry, name):
    create(registry, name)
    made = registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    changed = registry.update_module_with_sas(name, "m", "", made.etag, SECONDARY, PRIMARY)
    assert changed.authentication.symmetric_key.primary_key == SECONDARY
    with refused(412, "PreconditionFailed"):
        registry.update_module_with_sas(name, "m", "", made.etag, PRIMARY, SECONDARY)


@service("update_module_with_x509")
def test_a_module_changes_over_to_thumbprints(registry, name):
    create(registry, name)
    registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    changed = registry.update_module_with_x509(name, "m", "", None, THUMB_1, THUMB_2)
    assert changed.authentication.type == "selfSigned"


@service("update_module_with_certificate_authority")
def test_a_module_changes_over_to_a_ca(registry, name):
    create(registry, name)
    registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    changed = registry.update_module_with_certificate_authority(name, "m", "", None)
    assert changed.authentication.type == "certificateAuthority"


@service("get_module")
def test_a_module_is_read(registry, name):
    create(registry, name)
    made = registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    assert registry.get_module(name, "m").etag == made.etag
    with refused(404, "ModuleNotFound"):
        registry.get_module(name, "n")


@service("get_modules")
def test_modules_are_listed(registry, name):
    create(registry, name)
    assert registry.get_modules(name) == []
    for module_id in ("a", "b"):
        registry.create_module_with_sas(name, module_id, "", PRIMARY, SECONDARY)
    assert sorted(module.module_id for module in registry.get_modules(name)) == ["a", "b"]
    # A module is no device.
    assert name in {each.device_id for each in registry.get_devices()}
    assert not any("/" in each.device_id for each in registry.get_devices())


@service("delete_module")
def test_a_module_is_deleted(registry, name):
    create(registry, name)
    made = registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    with refused(412, "PreconditionFailed"):
        registry.delete_module(name, "m", etag="AAAAAAAAAAA=")
    registry.delete_module(name, "m", etag=made.etag)
    with refused(404, "ModuleNotFound"):
        registry.get_module(name, "m")


@service("send_c2d_message", result="speaks AMQP only: not offered by the hub")
def test_cloud_to_device_messages_go_over_amqp(registry, name):
    create(registry, name)
    with pytest.raises(Exception):
        registry.send_c2d_message(name, "nobody listens")
