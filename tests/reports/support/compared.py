"""Comparisons of the made results."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from support.made import every_run
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
    sides: list = None
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
        # Two runs on a busy machine differ; what is said of them must not.
        Compared("equivalent", ["--margin-only", "--margin=900%", *_METRIC], "quickstart", "again", 0, "equivalent"),
        # One run a side proves nothing by statistics.
        Compared("inconclusive", _METRIC, "quickstart", "again", 96, "inconclusive"),
        # A run of another plan, whose words are awkward.
        Compared("forced", ["--force", *_METRIC], "quickstart", "drill", 96, "inconclusive"),
    ]


def compare(runs, folder):
    """Makes all of them below `folder`; returns them by name."""
    # A run that is compared with itself is refused.
    quickstart = next(made for made in every_run() if made.name == "quickstart")
    twinstorm("run", *quickstart.arguments, "--format", "json", "--out", folder / "again")
    folders = {name: made.folder for name, made in runs.items()} | {"again": folder / "again"}
    comparisons = every_comparison()
    for each in comparisons:
        each.folder = folder / each.name
        each.sides = [folders[each.base], folders[each.new]]
        each.ended = twinstorm("compare", *each.sides, *each.arguments, "--out", each.folder, code=each.code)
    return {each.name: each for each in comparisons}
