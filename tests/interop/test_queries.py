"""azure-iot-hub's query_iot_hub against the hub."""

import pytest
from azure.iot.hub.models import Twin

from support.devices import device
from support.rows import service
from support.service import PRIMARY, SECONDARY, desired, plain, query, refused, values

ROOMS = ["north", "north", "north", "south", "south", "west", "west"]


@pytest.fixture(scope="session")
def registry(hub):
    """The registry of the shared hub, with seven devices and two modules for these tests alone."""
    registry = hub.registry()
    for n, room in enumerate(ROOMS):
        name = f"queried-{n}"
        registry.create_device_with_sas(name, PRIMARY, SECONDARY, "enabled" if n else "disabled")
        tags = {"suite": "queries", "room": room, "n": n}
        registry.update_twin(name, Twin(tags=tags, properties=desired({"level": n * 1.5}).properties))
    for module_id in ("cam", "fan"):
        registry.create_module_with_sas("queried-1", module_id, "", PRIMARY, SECONDARY)
    return registry


def mine(condition):
    return f"SELECT * FROM devices WHERE tags.suite = 'queries' AND ({condition})"


def ids(result):
    return sorted(twin.device_id for twin in result.items)


@service("query_iot_hub", "`SELECT *` with conditions: a page of twins")
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("tags.room = 'north'", [0, 1, 2]),
        ('tags.room != "north"', [3, 4, 5, 6]),
        ("tags.n >= 2 AND tags.n < 4", [2, 3]),
        ("tags.n IN [1, 3, 99]", [1, 3]),
        ("tags.n NIN [0, 1, 2, 3]", [4, 5, 6]),
        ("NOT (tags.room = 'north' OR tags.room = 'south')", [5, 6]),
        ("status = 'disabled'", [0]),
        ("properties.desired.level > 7", [5, 6]),
        ("IS_DEFINED(tags.nothing)", []),
        ("STARTSWITH(tags.room, 'no') AND IS_DEFINED(tags.n)", [0, 1, 2]),
        ("ENDSWITH(deviceId, '-6')", [6]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_twins_are_found(registry, condition, expected):
    found = query(registry, mine(condition))
    assert ids(found) == [f"queried-{n}" for n in expected]
    assert (found.type, found.continuation_token) == ("Twin", None)


@service("query_iot_hub", "twins as `get_twin` gives them")
def test_a_found_twin_is_the_twin(registry):
    (found,) = query(registry, mine("tags.n = 3")).items
    assert found.tags["room"] == "south"
    assert plain(found.properties.desired) == {"level": 4.5}
    assert found.etag == registry.get_twin("queried-3").etag


@service("query_iot_hub", "pages and continuation tokens")
def test_twins_come_in_pages(registry):
    pages, token = [], None
    while True:
        page = query(registry, mine("tags.n >= 0"), continuation_token=token, max_item_count=3)
        pages.append(page.items)
        token = page.continuation_token
        if not token:
            break
    assert [len(page) for page in pages] in ([3, 3, 1], [3, 3, 1, 0])
    assert sorted(twin.tags["n"] for page in pages for twin in page) == list(range(7))


@service("query_iot_hub", "aggregates, `GROUP BY`, aliases: rows as they are")
def test_rows_are_counted(registry):
    found = query(
        registry,
        "SELECT tags.room AS room, COUNT() AS devices, AVG(tags.n) AS mean, MIN(tags.n) AS least, MAX(tags.n) AS most, "
        "SUM(tags.n) AS sum FROM devices WHERE tags.suite = 'queries' GROUP BY tags.room",
    )
    assert found.type == "Raw"
    rows = sorted(values(found.items), key=lambda row: row["room"])
    assert rows[0] == {"room": "north", "devices": 3, "mean": 1, "least": 0, "most": 2, "sum": 3}
    assert [row["devices"] for row in rows] == [3, 2, 2]
    assert values(query(registry, "SELECT COUNT() AS n FROM devices WHERE tags.suite = 'queries'").items) == [{"n": 7}]


@service("query_iot_hub", "projections and `TOP`")
def test_columns_are_chosen(registry):
    found = query(registry, "SELECT tags.room AS room, tags.n FROM devices WHERE tags.suite = 'queries' AND tags.n = 5")
    assert found.type == "Raw"
    (row,) = values(found.items)
    assert row["room"] == "west"
    assert len(query(registry, "SELECT TOP 2 * FROM devices WHERE tags.suite = 'queries'").items) == 2


@service("query_iot_hub", "`FROM devices.modules`")
def test_modules_are_found(registry):
    found = query(registry, "SELECT * FROM devices.modules WHERE deviceId = 'queried-1'")
    assert sorted(twin.module_id for twin in found.items) == ["cam", "fan"]
    assert ids(query(registry, mine("tags.n = 1"))) == ["queried-1"]


@service("query_iot_hub", "reported properties, as devices change them")
def test_reported_properties_are_found(hub, registry, name):
    with device(hub, name) as it:
        for status in ("downloading", "completed"):
            it.client.patch_twin_reported_properties({"firmwareStatus": status, "who": name})
            found = query(
                registry,
                f"SELECT * FROM devices WHERE properties.reported.firmwareStatus = '{status}' "
                f"AND properties.reported.who = '{name}'",
            )
            assert ids(found) == [name]


@service("query_iot_hub", "what is no query", result="refused, 400")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "SELECT",
        "SELECT * FROM twins",
        "SELECT * FROM devices WHERE",
        "SELECT * FROM devices ORDER BY deviceId",
        "x" * 8193,
    ],
    ids=["empty", "select", "twins", "where", "order-by", "long"],
)
def test_what_is_no_query_is_refused(registry, text):
    with refused(400, "ArgumentInvalid"):
        query(registry, text)
