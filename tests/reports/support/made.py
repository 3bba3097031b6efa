"""The results that the tests look at: made once, by the program, side by side."""

import json
import os
import signal
import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from support.program import ROOT, Ended, start

PROFILES = Path(__file__).resolve().parents[1] / "profiles"
SAMPLES = sorted((ROOT / "reports/samples").glob("**/results.json"))

# How late a call may be before the result is invalid follows from the strictest limit on what is counted from its due time
# (a hundredth of it). These runs go on side by side, so their limits are generous.
_SETTINGS = [
    "firmware.wait=uniform 200ms..400ms",
    "firmware.download=uniform 200ms..400ms",
    "firmware.apply=uniform 200ms..400ms",
    "threshold.2.expr=method.response.p99 < 60s",
]
_QUICK = ["quickstart", "--devices", 150, "--rate", 100, *(word for setting in _SETTINGS for word in ("--set", setting))]


@dataclass
class Made:
    """A run: what it was told, how it ended, and its folder."""

    name: str
    arguments: list
    code: int
    verdict: str
    environment: dict = field(default_factory=dict)
    interrupted: bool = False
    folder: Path = None
    ended: Ended = None

    def file(self, name):
        path = self.folder / name
        assert path.is_file(), f"the run {self.name} has written no {name}, but {sorted(os.listdir(self.folder))}"
        return path

    @cached_property
    def results(self):
        return json.loads(self.file("results.json").read_text())


def every_run():
    """One of each verdict that a single run can have."""
    return [
        Made("quickstart", _QUICK, 0, "pass"),
        Made("drill", [PROFILES / "drill.toml"], 0, "pass"),
        Made("broken", [PROFILES / "broken.toml"], 99, "fail"),
        Made("invalid", _QUICK, 96, "invalid", {"TWINSTORM_TEST_SWALLOW_OUTCOMES": 1}),
        # Its updates would take a quarter of a minute; it is stopped once the first of them are under way.
        Made("aborted", ["quickstart", "--devices", 100, "--rate", 50, "--set", "firmware.apply=15s"], 97, "aborted",
             interrupted=True),
    ]


def _carry_out(made, failures):
    try:
        with start("run", *made.arguments, "--out", made.folder, environment=made.environment) as process:
            try:
                if made.interrupted:
                    _interrupt(process)
                made.ended = Ended(process).expect(made.code)
            finally:
                process.kill()
    except Exception as error:
        failures.append(error)


def _interrupt(process):
    # Without a terminal a line of progress comes once a second.
    seen = []
    for line in process.stderr:
        seen.append(line)
        if "running" in line and "applying 0" not in line:
            process.send_signal(signal.SIGINT)
            return
    raise AssertionError("".join(["it ended by itself:\n", *seen]))


def make(folder):
    """Makes all of them below `folder`; returns them by name."""
    runs, failures = every_run(), []
    for made in runs:
        made.folder = folder / made.name
    threads = [threading.Thread(target=_carry_out, args=(made, failures)) for made in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return {made.name: made for made in runs}
