"""The composite action's own scripts, taken from its file and run as GitHub's runner runs them: with the debug build on the
path, and with files of ours where the runner's would be."""

import json
import os
import re
import shutil
import subprocess

import pytest
import yaml

from support import recipes
from support.made import PROFILES, every_run
from support.program import ROOT, binary, clean_environment

QUICK = next(made.arguments for made in every_run() if made.name == "quickstart")
# One argument a line, which the words of a command line are already.
QUICK_ARGUMENTS = "\n".join(map(str, QUICK[1:]))


class Runner:
    """As much of a runner as the action needs."""

    def __init__(self, folder):
        self.folder = folder
        self.action = yaml.safe_load(recipes.text(recipes.ACTION))
        self.output, self.summary, self.path = (folder / name for name in ("output", "summary.md", "path"))
        self.output.touch()
        commands = folder / "bin"
        commands.mkdir()
        (commands / "twinstorm").symlink_to(binary())
        self.commands = commands

    def step(self, step_id, environment=None, **inputs):
        """Runs a step; returns how it ended and the outputs that it set."""
        (step,) = [step for step in self.action["runs"]["steps"] if step["id"] == step_id]
        assert set(inputs) <= set(self.action["inputs"])
        known = {name: spec["default"] for name, spec in self.action["inputs"].items()} | inputs
        variables = {name: self.expand(value, known) for name, value in step.get("env", {}).items()}
        script = self.folder / f"{step_id}.sh"
        script.write_text(step["run"])
        # As the documentation of the key `shell` says it calls bash.
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            env=clean_environment({
                "PATH": f"{self.commands}{os.pathsep}{os.environ['PATH']}",
                "GITHUB_ACTIONS": "true",
                "GITHUB_ACTION_PATH": ROOT / ".github/actions/twinstorm",
                "GITHUB_OUTPUT": self.output,
                "GITHUB_PATH": self.path,
                "GITHUB_STEP_SUMMARY": self.summary,
                "RUNNER_TEMP": self.folder / "temp",
                **variables,
                **(environment or {}),
            }),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
        )
        lines = self.output.read_text().splitlines()
        return done, dict(line.split("=", 1) for line in lines)

    def expand(self, value, inputs):
        name = re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value)
        assert name, f"a script's variables are inputs and nothing more: {value}"
        return inputs[name[1]]


@pytest.fixture
def runner(tmp_path):
    return Runner(tmp_path)


def test_it_runs_and_says_what_came_out(runner):
    done, outputs = runner.step("run", args=QUICK_ARGUMENTS, out="some folder/results")
    assert done.returncode == 0, done.stdout + done.stderr
    assert outputs == {"verdict": "pass", "exit-code": "0", "results": "some folder/results/results.json"}
    assert json.loads((runner.folder / outputs["results"]).read_text())["verdict"] == "pass"
    assert "quickstart" in runner.summary.read_text(), "the job summary comes by itself"


def test_a_broken_threshold_is_the_steps_exit_code(runner):
    done, outputs = runner.step("run", profile=str(PROFILES / "broken.toml"))
    assert done.returncode == 99, done.stdout + done.stderr
    assert outputs == {"verdict": "fail", "exit-code": "99", "results": "twinstorm-results/results.json"}
    assert "::error" in done.stdout


def test_an_old_result_is_not_taken_for_this_runs(runner, runs):
    shutil.copytree(runs["quickstart"].folder, runner.folder / "twinstorm-results")
    done, outputs = runner.step("run", profile="no-such-profile")
    assert done.returncode == 2
    assert (outputs["verdict"], outputs["exit-code"]) == ("error", "2")


def test_a_baseline_is_compared_with(runner, runs):
    baseline = str(runs["quickstart"].folder)
    done, outputs = runner.step(
        "run", args=QUICK_ARGUMENTS, baseline=baseline, **{"compare-args": "--margin-only\n--margin=1000%\n--metric=update.overhead.p50"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert outputs["verdict"] == "pass"
    comparison = json.loads((runner.folder / "twinstorm-results/comparison/comparison.json").read_text())
    assert comparison["exit_code"] == 0


def test_a_comparison_without_evidence_is_the_steps_exit_code(runner, runs):
    """One run a side proves nothing."""
    done, outputs = runner.step("run", args=QUICK_ARGUMENTS, baseline=str(runs["quickstart"].folder))
    assert done.returncode == 96, done.stdout + done.stderr
    assert (outputs["verdict"], outputs["exit-code"]) == ("pass", "96")


@pytest.mark.parametrize("name", ["profile", "devices", "args", "out", "baseline", "compare-args"])
def test_no_input_is_taken_for_a_command(runner, name):
    made = runner.folder / "made"
    evil = f"x\"; touch {made}; '$(touch {made})' `touch {made}`"
    # A value that makes the run itself fail, so that this is quick.
    inputs = {"profile": "no-such-profile"} | {name: evil}
    done, outputs = runner.step("run", **inputs)
    assert done.returncode == 2, done.stdout + done.stderr
    assert not made.exists()
    assert outputs["verdict"] == "error"


def test_no_input_sets_an_output_of_its_own(runner):
    done, outputs = runner.step("run", out="x\nverdict=pass", profile="no-such-profile")
    assert done.returncode == 2
    assert outputs == {}


def test_a_profile_is_not_taken_for_a_flag(runner):
    done, outputs = runner.step("run", profile="--help")
    assert done.returncode == 2
    assert outputs == {}


def test_one_on_the_path_is_used_as_it_is(runner):
    done, _ = runner.step("install")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("twinstorm ")
    assert not runner.path.exists()


def test_else_the_sources_beside_it_are_built(runner):
    """Not really: `cargo` is one of ours, which says what it was asked for."""
    (runner.commands / "twinstorm").unlink()
    asked = runner.folder / "asked"
    cargo = runner.commands / "cargo"
    cargo.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >"{asked}"\n')
    cargo.chmod(0o755)
    done, _ = runner.step("install", environment={"PATH": f"{runner.commands}{os.pathsep}/usr/bin{os.pathsep}/bin"})
    assert done.returncode == 0, done.stdout + done.stderr
    words = asked.read_text().splitlines()
    assert words[:2] == ["install", "--locked"]
    sources = words[words.index("--path") + 1]
    assert os.path.samefile(sources, ROOT)
    root = words[words.index("--root") + 1]
    assert runner.path.read_text().strip() == f"{root}/bin"
