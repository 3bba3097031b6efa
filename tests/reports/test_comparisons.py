"""comparison.json and comparison.md; the page is in test_pages.py."""

import json

import pytest

from support.program import twinstorm
from test_summary import LIMIT, parse, tables


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def test_the_json_says_what_the_program_said(compared):
    document = json.loads(compared.file("comparison.json").read_text(), parse_constant=refuse)
    assert document["schema"] == "twinstorm.comparison/1"
    assert (document["verdict"], document["exit_code"]) == (compared.verdict, compared.code)
    assert [metric["metric"] for metric in document["metrics"]] == ["update.overhead.p50"]
    assert bool(document["forced"]) == (compared.name == "forced")


def test_values_are_those_of_the_results(compared):
    (metric,) = compared.results["metrics"]
    for side, folder in zip(("base", "new"), compared.sides, strict=True):
        (value,) = metric[side]
        scale = {"s": 1e6, "ms": 1e3, "us": 1}[metric["unit"]]
        results = json.loads((folder / "results.json").read_text())
        assert value * scale == pytest.approx(results["series"]["update.overhead"]["p50_us"], rel=2e-3)


def test_tables_are_tables(compared):
    text = compared.file("comparison.md").read_text()
    assert 0 < len(text.encode()) < LIMIT
    tokens = parse(text)
    assert tokens[0].type == "heading_open"
    assert compared.verdict in text.lower()
    found = tables(tokens)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert found and sum(len(table) + 1 for table in found) == len(rows)
    for table in found:
        assert len({len(row) for row in table}) == 1, table[0]
    assert any("update.overhead.p50" in cell for table in found for row in table for cell in row)


def test_another_plan_is_refused_without_force(runs, tmp_path):
    ended = twinstorm("compare", runs["quickstart"].folder, runs["broken"].folder, "--out", tmp_path / "no", code=2)
    assert "plan" in ended.stderr and not (tmp_path / "no/comparison.json").exists()
