"""Rows of the table: a test says which SDK's call it shows to work, or how that is refused."""

import pytest

DEVICE_SDK = "azure-iot-device 2.14"
SERVICE_SDK = "azure-iot-hub 2.7"


def client(call, detail="", result="works"):
    """A call of azure-iot-device's IoTHubDeviceClient or IoTHubModuleClient, perhaps in one way of many."""
    return _row(DEVICE_SDK, call, detail, result)


def service(call, detail="", result="works"):
    """A call of azure-iot-hub, perhaps in one way of many."""
    return _row(SERVICE_SDK, call, detail, result)


def together(what, sdk="both SDKs", result="works"):
    """What more than one end does."""
    return pytest.mark.row(sdk=sdk, call=what, result=result)


def cells(item):
    """The rows that a test shows: SDK, call, result, and the transport over which it shows that."""
    transport = "WebSocket" if "wss" in item.name else "TLS"
    for marker in item.iter_markers("row"):
        row = marker.kwargs
        yield row["sdk"], row["call"], row["result"], "HTTPS" if row["sdk"] == SERVICE_SDK else transport


def _row(sdk, call, detail, result):
    # What is no name of a call is plain words.
    call = f"`{call}`" if call.isidentifier() else call
    return pytest.mark.row(sdk=sdk, call=f"{call}: {detail}" if detail else call, result=result)
