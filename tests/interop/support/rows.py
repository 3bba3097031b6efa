"""Rows of the table: a test says which SDK's call it shows to work, or how that is refused."""

import pytest

DEVICE_SDK = "azure-iot-device 2.14"
SERVICE_SDK = "azure-iot-hub 2.7"


def service(call, detail="", result="works"):
    """A call of azure-iot-hub, perhaps in one way of many."""
    return _row(SERVICE_SDK, call, detail, result)


def client(call, detail="", result="works"):
    """A call of azure-iot-device's IoTHubDeviceClient or IoTHubModuleClient."""
    return _row(DEVICE_SDK, call, detail, result)


def both(what, result="works"):
    """What both do together."""
    return pytest.mark.row(sdk="both", call=what, result=result)


def _row(sdk, call, detail, result):
    return pytest.mark.row(sdk=sdk, call=f"`{call}`" + (f": {detail}" if detail else ""), result=result)
