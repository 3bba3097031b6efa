"""`twinstorm` as a user runs it."""

import ctypes
import os
import signal
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# How long anything may take before a test fails: far longer than it should.
LIMIT = 90

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

# What tells a program that it runs in a CI service. The tests may run in one themselves.
_SERVICES = ("TWINSTORM_", "IOTHUB_", "GITHUB_", "RUNNER_", "TF_BUILD", "BUILD_", "SYSTEM_", "AGENT_", "CI", "GITLAB_")


def binary():
    """The program under test: TWINSTORM_BINARY, or else the debug build."""
    path = Path(os.environ.get("TWINSTORM_BINARY") or ROOT / "target/debug/twinstorm")
    assert path.is_file(), f"{path} is missing: `cargo build` makes it"
    return path


def clean_environment(more=None):
    """This process's environment, without what would change what the program does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SERVICES)}
    return kept | {name: str(value) for name, value in (more or {}).items()}


def _end_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def start(*arguments, environment=None, folder=None, **options):
    """Starts the program; its two streams are kept apart, as text."""
    return subprocess.Popen(
        [str(binary()), *map(str, arguments)],
        env=clean_environment(environment),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_end_with_parent,
        **options,
    )


class Ended:
    """What a program has printed, and its exit code."""

    def __init__(self, process):
        try:
            self.stdout, self.stderr = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            self.stdout, self.stderr = process.communicate()
            raise AssertionError(f"{process.args} did not end:\n{self.stdout}{self.stderr}") from None
        self.arguments = process.args
        self.code = process.returncode

    def expect(self, code):
        assert self.code == code, f"{self.arguments} exited with {self.code}:\n{self.stdout}{self.stderr}"
        return self


def twinstorm(*arguments, code=0, environment=None, folder=None):
    """Runs the program to its end, which has to be the exit code `code`."""
    return Ended(start(*arguments, environment=environment, folder=folder)).expect(code)
