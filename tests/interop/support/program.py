"""`twinstorm` as a user runs it."""

import ctypes
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]

# How long anything may take before a test fails: far longer than it should.
LIMIT = 60

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def binary():
    """The program under test: TWINSTORM_BINARY, or else the debug build."""
    path = Path(os.environ.get("TWINSTORM_BINARY") or ROOT / "target/debug/twinstorm")
    assert path.is_file(), f"{path} is missing: `cargo build` makes it"
    return path


def clean_environment(more=None):
    """This process's environment, without what would change what the program does."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TWINSTORM_", "IOTHUB_"))}
    return kept | (more or {})


def _end_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Program:
    """A started program, and what it has printed."""

    def __init__(self, arguments, environment=None):
        self.arguments = [str(argument) for argument in arguments]
        self._output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            self.arguments,
            env=clean_environment(environment),
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,
        )

    def output(self):
        """Everything printed so far, both streams together."""
        # The child has a position of its own only if it opened the file itself, so the file is read by position.
        return os.pread(self._output.fileno(), 1 << 24, 0).decode(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait(self, code=0, limit=LIMIT):
        """Waits for its end, which has to be the exit code `code`; returns what it printed."""
        try:
            ended = self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.arguments} did not end:\n{self.output()}") from None
        assert ended == code, f"{self.arguments} exited with {ended}:\n{self.output()}"
        return self.output()

    def stop(self):
        """Stops it as Ctrl-C does, and waits for its end; does nothing to what has ended."""
        if self.running():
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.arguments} did not stop:\n{self.output()}") from None

    def kill(self):
        self.process.kill()
        self.process.wait()


def twinstorm(*arguments, environment=None):
    return Program([binary(), *arguments], environment)


def wait_until(true, what, limit=LIMIT, pause=0.05):
    """Waits until `true()` is; returns what it returned."""
    deadline = time.monotonic() + limit
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {limit} s in vain: {what}")
        time.sleep(pause)
