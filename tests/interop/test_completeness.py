"""Whether the table has every call of the SDKs."""

import inspect

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient
from azure.iot.hub import (
    DigitalTwinClient,
    IoTHubConfigurationManager,
    IoTHubHttpRuntimeManager,
    IoTHubJobManager,
    IoTHubRegistryManager,
)

SERVICE = [
    IoTHubRegistryManager,
    IoTHubJobManager,
    IoTHubConfigurationManager,
    DigitalTwinClient,
    IoTHubHttpRuntimeManager,
]
# Making clients, not calls to a hub. Whoever is given an Entra ID token instead of a key needs a directory.
MADE = {"from_connection_string", "from_token_credential"}
# The environment of IoT Edge, which the hub is none of.
ELSEWHERE = {"create_from_edge_environment"}


def calls(*classes):
    return {name for each in classes for name, _ in inspect.getmembers(each) if not name.startswith("_")}


def test_every_call_has_a_row(request):
    rows = {marker.kwargs["call"] for item in request.session.items for marker in item.iter_markers("row")}
    shown = " ".join(rows)
    wanted = calls(*SERVICE) - MADE | calls(IoTHubDeviceClient, IoTHubModuleClient) - ELSEWHERE
    # Only a whole collection can be complete.
    if len({item.path for item in request.session.items}) > 1:
        missing = sorted(name for name in wanted if f"`{name}`" not in shown)
        assert not missing, missing
