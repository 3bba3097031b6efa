"""`benchmark-smaller.json` and `benchmark-bigger.json`, in the shape that github-action-benchmark documents for
customSmallerIsBetter and customBiggerIsBetter."""

import json

import jsonschema
import pytest

SHAPE = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["name", "unit", "value"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "unit": {"type": "string"},
            "value": {"type": "number"},
            "range": {"type": "string"},
            "extra": {"type": "string"},
        },
    },
}

FILES = ("benchmark-smaller.json", "benchmark-bigger.json")


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


@pytest.mark.parametrize("name", FILES)
def test_it_is_what_the_action_reads(made, name):
    entries = json.loads(made.file(name).read_text(), parse_constant=refuse)
    jsonschema.validate(entries, SHAPE if made.verdict in ("pass", "fail") else SHAPE | {"minItems": 0})
    names = [entry["name"] for entry in entries]
    # A trend is a name's values over time.
    assert len(set(names)) == len(names)
    assert all(made.results["name"] in each for each in names), "trends of two profiles are not one"


def test_figures_are_those_of_the_result(runs):
    results = runs["quickstart"].results
    smaller = {entry["name"]: entry for entry in json.loads(runs["quickstart"].file(FILES[0]).read_text())}
    (p50,) = [entry for name, entry in smaller.items() if "update.overhead" in name and "p50" in name]
    scale = {"us": 1, "ms": 1e3, "s": 1e6}[p50["unit"]]
    assert p50["value"] * scale == pytest.approx(results["series"]["update.overhead"]["p50_us"], rel=6e-3)
    both = len(smaller) + len(json.loads(runs["quickstart"].file(FILES[1]).read_text()))
    assert 5 <= both <= 15, "about ten headline metrics"


def test_a_capacity_is_in_the_trend_of_what_is_to_be_bigger(capacity):
    entries = json.loads(capacity.file(FILES[1]).read_text())
    jsonschema.validate(entries, SHAPE)
    assert [entry["value"] for entry in entries if entry["name"].endswith(": capacity")] == [40]


def test_names_stay_the_same(runs):
    """Two runs of one profile feed one trend, whatever their verdict."""
    for name in FILES:
        first, second = (
            [entry["name"] for entry in json.loads(runs[run].file(name).read_text())] for run in ("quickstart", "invalid")
        )
        assert not second or set(second) <= set(first)
