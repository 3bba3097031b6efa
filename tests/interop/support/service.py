"""What the tests of azure-iot-hub share."""

from contextlib import contextmanager

import pytest
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

# Two keys of devices, base64 of 32 bytes.
PRIMARY = "cHJpbWFyeS1rZXktb2YtMzItYnl0ZXMtZm9yLXRlc3Q="
SECONDARY = "c2Vjb25kYXJ5LWtleS1vZi0zMi1ieXRlcy1mb3ItdGU="
# Two thumbprints.
THUMB_1 = "2BC3AAF40DCB5B2A9C7A8B4A4C2B1D3E5F60718A"
THUMB_2 = "4C5D6E7F8091A2B3C4D5E6F708192A3B4C5D6E7F"


@contextmanager
def refused(status, code):
    """The hub refuses, with this HTTP status and this name in `iothub-errorcode`."""
    with pytest.raises(HttpOperationError) as caught:
        yield caught
    answer = caught.value.response
    seen = (answer.status_code, answer.headers.get("iothub-errorcode"))
    assert seen == (status, code), answer.text


def desired(patch):
    return Twin(properties=TwinProperties(desired=patch))


def method(name, payload=None, **timeouts):
    """A request; `response_timeout_in_seconds` and `connect_timeout_in_seconds` may follow."""
    return CloudToDeviceMethod(method_name=name, payload=payload, **timeouts)


def query(registry, text, **paging):
    return registry.query_iot_hub(QuerySpecification(query=text), **paging)


def values(items):
    """Rows of a query that are no twins, as they came."""
    return [item.additional_properties for item in items]


def plain(properties):
    """Properties without what the hub adds."""
    return {key: value for key, value in properties.items() if not key.startswith("$")}
