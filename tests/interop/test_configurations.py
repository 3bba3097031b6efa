"""azure-iot-hub's other managers against the hub: configurations, digital twins, feedback, purge."""

import pytest
from azure.iot.hub.models import (
    Configuration,
    ConfigurationContent,
    ConfigurationMetrics,
    ConfigurationQueriesTestInput,
)

from support.devices import device
from support.rows import service
from support.service import PRIMARY, SECONDARY, plain, refused


@pytest.fixture
def configurations(hub):
    return hub.configurations()


@pytest.fixture
def config_id(name):
    return name.lower().replace("_", "-")


def configuration(config_id, **more):
    more.setdefault("target_condition", "tags.nobody = 'at all'")
    content = ConfigurationContent(device_content={"properties.desired.level": {"warn": 5}})
    return Configuration(
        id=config_id,
        content=content,
        priority=10,
        labels={"of": "tests"},
        metrics=ConfigurationMetrics(queries={"all": "SELECT deviceId FROM devices"}),
        **more,
    )


@service("create_configuration")
def test_a_configuration_is_created_once(configurations, config_id):
    made = configurations.create_configuration(configuration(config_id))
    assert (made.id, made.priority, made.labels) == (config_id, 10, {"of": "tests"})
    assert made.etag and made.created_time_utc == made.last_updated_time_utc
    with refused(409, "ConfigurationAlreadyExists"):
        configurations.create_configuration(configuration(config_id))


@service("get_configuration")
def test_a_configuration_is_read(configurations, config_id):
    made = configurations.create_configuration(configuration(config_id))
    read = configurations.get_configuration(config_id)
    assert read.etag == made.etag
    assert read.content.device_content == {"properties.desired.level": {"warn": 5}}
    assert read.metrics.queries == {"all": "SELECT deviceId FROM devices"}
    with refused(404, "ConfigurationNotFound"):
        configurations.get_configuration(f"{config_id}-not")


@service("update_configuration")
def test_a_configuration_is_changed(configurations, config_id):
    made = configurations.create_configuration(configuration(config_id))
    made.priority = 20
    changed = configurations.update_configuration(made, made.etag)
    assert changed.priority == 20 and changed.etag != made.etag
    with refused(412, "PreconditionFailed"):
        configurations.update_configuration(made, "AAAAAAAAAAA=")


@service("delete_configuration")
def test_a_configuration_is_deleted(configurations, config_id):
    configurations.create_configuration(configuration(config_id))
    with refused(412, "PreconditionFailed"):
        configurations.delete_configuration(config_id, "AAAAAAAAAAA=")
    configurations.delete_configuration(config_id)
    with refused(404, "ConfigurationNotFound"):
        configurations.get_configuration(config_id)


@service("get_configurations")
def test_configurations_are_listed(configurations, config_id):
    configurations.create_configuration(configuration(config_id))
    assert config_id in {each.id for each in configurations.get_configurations()}
    assert len(configurations.get_configurations(1)) == 1


@service("test_configuration_queries")
def test_queries_of_configurations_are_checked(configurations):
    fine = ConfigurationQueriesTestInput(
        target_condition="tags.room = 'north'", custom_metric_queries={"all": "SELECT deviceId FROM devices"}
    )
    answer = configurations.test_configuration_queries(fine)
    assert not answer.target_condition_error and not answer.custom_metric_query_errors
    wrong = ConfigurationQueriesTestInput(
        target_condition="tags.room ~ 1", custom_metric_queries={"bad": "SELECT FROM"}
    )
    answer = configurations.test_configuration_queries(wrong)
    assert answer.target_condition_error and answer.custom_metric_query_errors["bad"]


@service("apply_configuration_on_edge_device")
def test_content_is_applied_to_an_edge_device(configurations, hub, name):
    registry = hub.registry()
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled", iot_edge=True)
    registry.create_module_with_sas(name, "m", "", PRIMARY, SECONDARY)
    modules = {"$edgeAgent": {"properties.desired.schemaVersion": "1.1"}, "m": {"properties.desired": {"level": 3}}}
    configurations.apply_configuration_on_edge_device(name, ConfigurationContent(modules_content=modules))
    assert plain(registry.get_module_twin(name, "m").properties.desired) == {"level": 3}


# Digital twins.


@pytest.fixture
def digital_twins(hub):
    return hub.digital_twins()


MODEL = "dtmi:example:Thermostat;1"


@service("get_digital_twin")
def test_a_digital_twin_is_read(hub, digital_twins, name):
    with device(hub, name, product_info=MODEL) as it:
        it.client.patch_twin_reported_properties({"temperature": 21.5})
        seen = digital_twins.get_digital_twin(name)
    assert seen["$dtId"] == name
    assert seen["$metadata"]["$model"] == MODEL
    assert seen["temperature"] == 21.5
    assert hub.registry().get_twin(name).additional_properties.get("modelId", MODEL) == MODEL
    with refused(404, "DeviceNotFound"):
        digital_twins.get_digital_twin(f"{name}-not")


@service("update_digital_twin")
def test_a_digital_twin_is_patched(hub, digital_twins, name):
    with device(hub, name, product_info=MODEL) as it:
        it.listen()
        digital_twins.update_digital_twin(name, [{"op": "add", "path": "/target", "value": 23}])
        assert it.next_patch()["target"] == 23
    assert plain(hub.registry().get_twin(name).properties.desired) == {"target": 23}


@service("invoke_command")
def test_a_command_is_invoked(hub, digital_twins, name):
    with device(hub, name, product_info=MODEL) as it:
        it.listen()
        assert digital_twins.invoke_command(name, "reboot", {"delay": 1}) == {"echo": {"delay": 1}}
        assert it.methods.get_nowait() == ("reboot", {"delay": 1})


@service("invoke_component_command")
def test_a_command_of_a_component_is_invoked(hub, digital_twins, name):
    with device(hub, name, product_info=MODEL) as it:
        it.listen()
        assert digital_twins.invoke_component_command(name, "fan", "spin", 3, 0, 30) == {"echo": 3}
        assert it.methods.get_nowait() == ("fan*spin", 3)


# Messages to devices come over AMQP only, so that there is never feedback.


@pytest.fixture
def runtime(hub):
    return hub.runtime()


@service("receive_feedback_notification", result="works: there is none")
def test_there_is_no_feedback(runtime):
    assert runtime.receive_feedback_notification() is None


@service("complete_feedback_notification", result="refused, 412 DeviceMessageLockLost")
def test_there_is_no_feedback_to_complete(runtime):
    with refused(412, "DeviceMessageLockLost"):
        runtime.complete_feedback_notification("00000000-0000-0000-0000-000000000000")


@service("abandon_feedback_notification", result="refused, 412 DeviceMessageLockLost")
def test_there_is_no_feedback_to_abandon(runtime):
    with refused(412, "DeviceMessageLockLost"):
        runtime.abandon_feedback_notification("00000000-0000-0000-0000-000000000000")


@service("purge_cloud_to_device_message_queue", "of the generated client", result="works: there are none")
def test_there_is_nothing_to_purge(hub, name):
    registry = hub.registry()
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    purged = registry.protocol.cloud_to_device_messages.purge_cloud_to_device_message_queue(name)
    assert (purged.device_id, purged.total_messages_purged) == (name, 0)
