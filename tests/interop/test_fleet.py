"""Our fleet under the service SDK, and devices of the SDK under our driver."""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from azure.iot.hub.models import CloudToDeviceMethod, JobRequest

from support.program import Program, twinstorm, wait_until
from support.rows import together
from support.service import method, query, values

DEVICE = Path(__file__).parent / "tutorial/device.py"

TRANSPORTS = pytest.mark.parametrize("transport", ["tls", "wss"])


@contextmanager
def our_fleet(hub, devices, prefix, transport="tls", **more):
    """Our devices, online, each step of whose update takes a second; stopped in the end."""
    settings = {
        "fleet.id_prefix": prefix,
        "fleet.transport": transport,
        "fleet.connect_rate": 200,
        "firmware.wait": "1s",
        "firmware.download": "1s",
        "firmware.apply": "1s",
    } | more
    program = twinstorm(
        *("fleet", "quickstart", "--devices", devices, "--out", hub.folder / f"fleet-{prefix}{transport}"),
        *(word for key, value in settings.items() for word in ("--set", f"{key}={value}")),
        environment=hub.environment | hub.mqtt(transport),
    )
    registry = hub.registry()
    standing_by = f"properties.reported.firmwareStatus = 'standBy' AND STARTSWITH(deviceId, '{prefix}')"
    try:
        wait_until(lambda: not program.running() or count(registry, standing_by) == devices, "the fleet is online")
        assert program.running(), program.output()
        yield registry
    finally:
        program.stop()
        assert "panicked" not in program.output(), program.output()


def count(registry, condition):
    (row,) = values(query(registry, f"SELECT COUNT() AS n FROM devices WHERE {condition}").items)
    return row["n"]


@together("an update of our device, from the call to the last twin", "azure-iot-hub, our fleet")
@TRANSPORTS
def test_the_service_sdk_updates_our_devices(hub, transport):
    prefix = f"ours-{transport}-"
    with our_fleet(hub, 3, prefix, transport) as registry:
        device = f"{prefix}0000001"
        assert registry.get_twin(device).connection_state == "Connected"
        answer = registry.invoke_device_method(device, method("firmwareUpdate", {"fwPackageUri": "https://secureURL"}))
        assert (answer.status, answer.payload) == (200, {"Response": "Firmware update started"})
        seen = []

        def completed():
            status = registry.get_twin(device).properties.reported["firmwareStatus"]
            if status not in seen:
                seen.append(status)
            return status == "completed"

        wait_until(completed, "the update is completed", pause=0.2)
        assert seen in (["standBy", "downloading", "applying", "completed"], ["downloading", "applying", "completed"])
        reported = registry.get_twin(device).properties.reported
        assert {"logTime", "downloadComplete", "startedApplyingImage", "lastFirmwareUpdate"} <= reported.keys()
        # What is no method of theirs is refused by the device, not by the hub.
        assert registry.invoke_device_method(device, method("unknown", {})).status in (400, 404, 501)


@together("a reboot of our device by its method, up to `lastReboot` in its twin", "azure-iot-hub, our fleet")
def test_the_service_sdk_reboots_our_devices(hub):
    prefix = "reboots-"
    with our_fleet(hub, 2, prefix) as registry:
        device = f"{prefix}0000001"
        answer = registry.invoke_device_method(device, method("reboot"))
        assert (answer.status, answer.payload) == (200, {"Response": "Reboot started"})
        wait_until(lambda: registry.get_twin(device).connection_state == "Disconnected", "the device goes", pause=0.1)

        def rebooted():
            reported = registry.get_twin(device).properties.reported
            return "lastReboot" in reported and reported

        reported = wait_until(rebooted, "the device comes back", pause=0.2)
        # The tutorial's service application for Node looks for it there.
        assert reported["iothubDM"]["reboot"]["lastReboot"] == reported["lastReboot"]
        assert reported["firmwareStatus"] == "standBy"
        assert registry.get_twin(device).connection_state == "Connected"
        assert registry.get_twin(f"{prefix}0000000").connection_state == "Connected"


@together("one scheduled job over 100 of our devices", "azure-iot-hub, our fleet")
def test_a_job_updates_a_hundred_of_our_devices(hub):
    prefix, job_id = "hundred-", "update-a-hundred"
    with our_fleet(hub, 100, prefix) as registry:
        jobs = hub.jobs()
        jobs.create_scheduled_job(
            job_id,
            JobRequest(
                job_id=job_id,
                type="scheduleDeviceMethod",
                cloud_to_device_method=CloudToDeviceMethod(
                    method_name="firmwareUpdate",
                    payload={"fwPackageUri": "https://secureURL"},
                    response_timeout_in_seconds=30,
                ),
                query_condition=f"STARTSWITH(deviceId, '{prefix}')",
                max_execution_time_in_seconds=300,
            ),
        )
        job = wait_until(
            lambda: (it := jobs.get_scheduled_job(job_id)).status == "completed" and it, "the job", pause=0.2
        )
        assert job.device_job_statistics.device_count == 100
        assert job.device_job_statistics.succeeded_count == 100
        each = query(registry, f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{job_id}'", max_item_count=1000)
        assert len(each.items) == 100
        assert {row.additional_properties["outcome"]["deviceMethodResponse"]["status"] for row in each.items} == {200}
        done = f"properties.reported.firmwareStatus = 'completed' AND STARTSWITH(deviceId, '{prefix}')"
        wait_until(lambda: count(registry, done) == 100, "every update is completed", pause=0.2)


@together(
    "updates of devices that follow the tutorial, by calls and by jobs of our driver", "azure-iot-device, our driver"
)
@pytest.mark.parametrize(
    ("transport", "observe", "via"),
    [("tls", "query", "calls"), ("wss", "query", "calls"), ("wss", "poll", "calls"), ("tls", "query", "job")],
)
def test_our_driver_updates_devices_of_the_sdk(hub, tmp_path, transport, observe, via):
    prefix = f"theirs-{transport}-{observe}-{via}-"
    devices = [
        Program(
            [sys.executable, DEVICE, "--ca", hub.tls_dir / "ca.pem", "--wait", 1]
            + ["--websockets"] * (transport == "wss"),
            {"IOTHUB_DEVICE_CONNECTION_STRING": hub.device_connection_string(f"{prefix}{n:07}")},
        )
        for n in range(2)
    ]
    try:
        driver = twinstorm(
            *("drive", "quickstart", "--devices", 2, "--rate", 10, "--out", tmp_path / "out"),
            *("--set", f"fleet.id_prefix={prefix}", "--set", f"observe.kind={observe}", "--set", f"load.via={via}"),
            *("--set", 'threshold=[{ expr = "census.completed.pct >= 100" }, { expr = "update.total.max < 1h" }]'),
            environment=hub.environment,
        )
        driver.wait()
    finally:
        for device in devices:
            device.stop()
    result = json.loads((tmp_path / "out/results.json").read_text())
    assert result["census"]["completed"] == 2, result["census"]
    for device in devices:
        assert device.output().splitlines()[-1] == "Reported: completed"
