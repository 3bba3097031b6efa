"""A hub that keeps the limits of a tier, under both SDKs."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from msrest.exceptions import HttpOperationError

from support.devices import device
from support.rows import service, together
from support.service import PRIMARY, SECONDARY, method, query


def answers(call, times):
    """The HTTP status and headers of the answer to each of many calls made at once."""

    def one(_):
        try:
            call()
            return 200, {}
        except HttpOperationError as error:
            return error.response.status_code, error.response.headers

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


@service(
    "every call",
    "beyond the throttle of a tier: a burst passes, some wait",
    result="then refused, 429 without Retry-After",
)
@pytest.mark.parametrize("tier", ["F1", "S1"])
def test_a_tier_refuses_what_is_too_much(start_hub, tier):
    hub = start_hub("--tier", tier)
    registry = hub.registry()
    # Twenty queries a minute.
    seen = answers(lambda: query(registry, "SELECT * FROM devices"), 40)
    passed = [status for status, _ in seen if status == 200]
    refused = [headers for status, headers in seen if status == 429]
    assert 20 <= len(passed) <= 24 and len(passed) + len(refused) == 40
    for headers in refused:
        assert headers["iothub-errorcode"] in (
            "ThrottlingException",
            "ThrottleBacklogLimitExceeded",
            "ThrottlingBacklogTimeout",
        )
        assert "Retry-After" not in headers
    metrics = requests.get(f"https://{hub.address}/metrics", timeout=10).text
    assert any(
        "throttl" in line and not line.startswith("#") and not line.endswith(" 0") for line in metrics.splitlines()
    )


@together("a throttled hub: devices, twins and methods go on while queries are refused")
@pytest.mark.parametrize("websockets", [False, True], ids=["tls", "wss"])
def test_devices_go_on_while_the_service_is_throttled(start_hub, name, websockets):
    hub = start_hub("--tier", "S1")
    registry = hub.registry()
    registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled")
    with device(hub, name, PRIMARY, websockets=websockets) as it:
        it.listen()
        assert 429 in {status for status, _ in answers(lambda: query(registry, "SELECT * FROM devices"), 40)}
        it.client.patch_twin_reported_properties({"fine": True})
        assert it.client.get_twin()["reported"]["fine"]
        assert registry.invoke_device_method(name, method("ping", 1)).payload == {"echo": 1}
        assert it.changes == 1
