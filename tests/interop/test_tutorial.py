"""The tutorial's two programs, as a reader runs them, against the hub."""

import json
import sys
from pathlib import Path

import pytest

from support.program import Program, wait_until
from support.rows import together

TUTORIAL = Path(__file__).parent / "tutorial"


@together("the tutorial's two programs: `standBy`, `downloading`, `applying`, `completed`")
@pytest.mark.parametrize("websockets", [False, True], ids=["tls", "wss"])
def test_the_tutorial_goes_as_the_tutorial_says(hub, name, websockets):
    # Longer than the service's pause between two looks, so that it sees every status.
    wait = 1.5
    device = Program(
        [sys.executable, TUTORIAL / "device.py", "--ca", hub.tls_dir / "ca.pem", "--wait", wait]
        + ["--websockets"] * websockets,
        {"IOTHUB_DEVICE_CONNECTION_STRING": hub.device_connection_string(name)},
    )
    try:
        wait_until(lambda: "Waiting for commands" in device.output() or not device.running(), "the device")
        service = Program(
            [sys.executable, TUTORIAL / "service.py", name], {"IOTHUB_CONNECTION_STRING": hub.connection_string}
        )
        said = service.wait().splitlines()
    finally:
        device.stop()
    assert device.output().splitlines()[:6] == [
        "Reported: standBy",
        "Waiting for commands, Ctrl-C ends",
        "Called: firmwareUpdate https://secureURL",
        "Reported: downloading",
        "Reported: applying",
        "Reported: completed",
    ]
    assert said[:-1] == [
        'Answer: 200 {"Response": "Firmware update started"}',
        "Status: standBy",
        "Status: downloading",
        "Status: applying",
        "Status: completed",
    ]
    twin = json.loads(said[-1].removeprefix("Twin: "))
    assert twin["firmwareStatus"] == "completed"
    assert {"logTime", "downloadComplete", "startedApplyingImage", "lastFirmwareUpdate"} <= twin.keys()
    print("\n".join(said))
