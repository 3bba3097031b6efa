"""results.json and its published schema, judged by the PyPI package jsonschema."""

import copy
import json

import jsonschema
import pytest

from support.made import every_run
from support.program import ROOT, twinstorm


@pytest.fixture(scope="session")
def schema():
    return json.loads((ROOT / "reports/results.schema.json").read_text())


@pytest.fixture(scope="session")
def validator(schema):
    kind = jsonschema.validators.validator_for(schema)
    assert kind is jsonschema.Draft202012Validator, "it says which draft it is of"
    kind.check_schema(schema)
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


def complaints(validator, results):
    return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(results)]


def test_the_published_schema_is_the_programs_own(schema):
    assert json.loads(twinstorm("schema").stdout) == schema


def test_every_made_result_is_taken(made, validator):
    assert complaints(validator, made.results) == []


def test_a_capacity_is_taken_and_a_broken_one_is_not(capacity, validator):
    assert complaints(validator, capacity.results) == []
    for key, value in [("of", "updates"), ("cause", "weather"), ("low", "40"), ("steps", {}), ("finished", None)]:
        assert complaints(validator, capacity.results | {"capacity": capacity.results["capacity"] | {key: value}}), key


def test_every_committed_result_is_taken(sample, validator):
    assert complaints(validator, json.loads(sample.read_text())) == []


def broken(**changes):
    """A change of a result by the path to a value."""
    def change(results):
        for path, value in changes.items():
            *parents, last = path.split("__")
            node = results
            for key in parents:
                node = node[int(key) if key.isdigit() else key.replace("_DOT_", ".")]
            assert last in node, path
            node[last] = value
    return change


BROKEN = {
    "a number where text belongs": broken(name=7),
    "text where a number belongs": broken(duration_s="long"),
    "text where a count belongs": broken(census__planned="150"),
    "a fraction where a count belongs": broken(census__completed=1.5),
    "a negative count": broken(census__completed=-1),
    "a negative duration": broken(series__update_DOT_total__p50_us=-1),
    "an unknown verdict": broken(verdict="green"),
    "another version": broken(schema="twinstorm.results/0"),
    "a time that is none": broken(started_at=0),
    "a verdict of thresholds that is none": broken(thresholds__0__ok="yes"),
    "an exit code beyond all": broken(exit_code="zero"),
    "a list where an object belongs": broken(series=[]),
    "an object where a list belongs": broken(intervals={}),
    "nothing where an object belongs": broken(generator=None),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_is_refused(runs, validator, change):
    results = copy.deepcopy(runs["quickstart"].results)
    change(results)
    assert complaints(validator, results)


def test_every_required_key_is_missed(runs, schema, validator):
    """Each key at the top that the schema requires, taken away on its own; and those that every run has are required."""
    results = runs["quickstart"].results
    required = set(schema["required"])
    always = {"schema", "name", "started_at", "version", "seed", "plan", "valid", "verdict", "exit_code", "census", "series",
              "intervals", "rate", "generator", "thresholds"}
    assert always <= required
    for key in required:
        assert complaints(validator, {name: value for name, value in results.items() if name != key}), key


@pytest.mark.parametrize("part", ["census", "rate", "generator", "observer"])
def test_parts_miss_their_keys_too(runs, validator, part):
    results = runs["quickstart"].results
    missed = [
        key for key in results[part]
        if complaints(validator, results | {part: {name: value for name, value in results[part].items() if name != key}})
    ]
    assert missed, f"nothing is required of {part}"


def test_every_series_is_that_of_the_schema(runs, validator):
    results = copy.deepcopy(runs["quickstart"].results)
    for name in results["series"]:
        without = copy.deepcopy(results)
        del without["series"][name]["count"]
        assert complaints(validator, without), name


def test_all_verdicts_were_held_against_it():
    assert {made.verdict for made in every_run()} == {"pass", "fail", "invalid", "aborted"}
