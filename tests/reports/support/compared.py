"""Comparisons of the made results."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from support.program import Ended, twinstorm

# With 150 updates the 99th percentiles have no number, so that they are no evidence.
_METRIC = ["--metric", "update.overhead.p50"]


@dataclass
class Compared:
    """A comparison: what was compared how, how that ended, and its folder."""

    name: str
    arguments: list
    base: str
    new: str
    code: int
    verdict: str
    folder: Path = None
    ended: Ended = None

    def file(self, name):
        path = self.folder / name
        assert path.is_file(), f"the comparison {self.name} has written no {name}"
        return path

    @cached_property
    def results(self):
        return json.loads(self.file("comparison.json").read_text())


def every_comparison():
    return [
        Compared("equivalent", ["--margin-only", *_METRIC], "quickstart", "quickstart", 0, "equivalent"),
        # One run a side proves nothing by statistics.
        Compared("inconclusive", _METRIC, "quickstart", "quickstart", 96, "inconclusive"),
        # A run of another plan, whose words are awkward.
        Compared("forced", ["--force", *_METRIC], "quickstart", "drill", 96, "inconclusive"),
    ]


def compare(runs, folder):
    """Makes all of them below `folder`; returns them by name."""
    comparisons = every_comparison()
    for each in comparisons:
        each.folder = folder / each.name
        sides = [runs[each.base].folder, runs[each.new].folder]
        each.ended = twinstorm("compare", *sides, *each.arguments, "--out", each.folder, code=each.code)
    return {each.name: each for each in comparisons}
