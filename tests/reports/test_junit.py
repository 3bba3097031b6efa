"""`TEST-twinstorm.xml`, held against the schema that Jenkins' xunit plugin checks JUnit reports by."""

import sys
from pathlib import Path

import pytest
from lxml import etree

SCHEMA = Path(sys.prefix) / "junit-10.xsd"


@pytest.fixture(scope="session")
def schema():
    return etree.XMLSchema(etree.parse(SCHEMA))


def test_the_schema_takes_it(made, schema):
    schema.assertValid(etree.parse(made.file("TEST-twinstorm.xml")))


def test_a_capacity_is_a_property(capacity, schema):
    tree = etree.parse(capacity.file("TEST-twinstorm.xml"))
    schema.assertValid(tree)
    (words,) = tree.xpath("//property[@name='capacity']/@value")
    assert words.startswith("40 to 41.8 calls/s (4.5 % wide); more is throttled")


def judged(results):
    """What is judged of a result, as (expression, whether it held)."""
    found = [(each["expr"], each["ok"]) for each in results["thresholds"]]
    drill = results.get("drill") or {}
    found += [(each["expr"], each["ok"]) for key in ("steady", "assert") for each in drill.get(key, [])]
    return found


def test_each_threshold_and_assertion_is_a_case(made):
    root = etree.parse(made.file("TEST-twinstorm.xml")).getroot()
    cases = root.findall(".//testcase")
    names = [(case.get("classname"), case.get("name")) for case in cases]
    assert len(set(names)) == len(names), "names are unique"
    broken = {case.get("name") for case in cases if case.find("failure") is not None or case.find("error") is not None}
    for expression, ok in judged(made.results):
        assert any(expression in name for _, name in names), expression
        assert (ok is False) == any(expression in name for name in broken), expression
    for invariant in made.results["invariants"]["broken"] if "broken" in made.results["invariants"] else []:
        assert any(invariant in name for _, name in names), invariant
    if made.code != 0:
        assert broken, "a red run has a red case"
    else:
        assert not broken


def test_sums_are_those_of_the_cases(made):
    for suite in etree.parse(made.file("TEST-twinstorm.xml")).getroot().iter("testsuite"):
        cases = suite.findall("testcase")
        assert int(suite.get("tests")) == len(cases) > 0
        for attribute, element in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(suite.get(attribute, "0")) == sum(case.find(element) is not None for case in cases), attribute


def test_a_broken_threshold_says_its_values(runs):
    root = etree.parse(runs["broken"].file("TEST-twinstorm.xml")).getroot()
    (failure,) = root.xpath(".//testcase[@name='census.failed < 1']/failure")
    failed = runs["broken"].results["census"]["failed"]
    assert f"{failed}" in failure.get("message")
    assert "census.failed < 1" in failure.text


BROKEN = [
    ("a case without a name", lambda root: root.find(".//testcase").attrib.pop("name")),
    ("an unknown element", lambda root: etree.SubElement(root.find(".//testcase"), "fialure")),
    ("an unknown attribute", lambda root: root.find("testsuite").set("verdict", "pass")),
    ("a suite without its sum", lambda root: root.find("testsuite").attrib.pop("tests")),
    ("another root", lambda root: setattr(root, "tag", "suites")),
    ("a time that is none", lambda root: root.find("testsuite").set("time", "long")),
]


@pytest.mark.parametrize("damage", [damage for _, damage in BROKEN], ids=[what for what, _ in BROKEN])
def test_the_schema_refuses_what_is_broken(runs, schema, damage):
    tree = etree.parse(runs["quickstart"].file("TEST-twinstorm.xml"))
    damage(tree.getroot())
    assert not schema.validate(tree)
