"""The command line as its user meets it: stopped half-way, without disk, changed inside."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from governance.home import Home
from tests.conftest import ROOT

PROGRAM = Path(sys.executable).with_name("throughline")
PATIENCE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended, and all it said."""

    code: int
    said: str

    def refused(self, *parts: str, code: int = 1) -> None:
        """Assert that it ended with ``code``, said ``parts`` and a fix, and no traceback."""
        assert self.code == code, self.said
        assert "Traceback" not in self.said
        assert "Fix: " in self.said
        for part in parts:
            assert part in self.said, f"{part!r} is not in:\n{self.said}"


def command(home: Home, *arguments: str, file_bytes: int | None = None) -> Ended:
    """Run to the end; no file may grow beyond ``file_bytes``, which fails as a full disk does."""
    return ended(_begin([str(PROGRAM), "--home", str(home.root), *arguments], file_bytes))


def changed_command(home: Home, change: str, *arguments: str) -> Ended:
    """Run the command line after ``change``, Python that alters the program from inside."""
    script = textwrap.dedent(change) + textwrap.dedent("""
        import sys
        from orchestration.cli import main
        main(sys.argv[1:])
    """)
    return ended(_begin([sys.executable, "-c", script, "--home", str(home.root), *arguments]))


def stopped(home: Home, *arguments: str, when: Callable[[], bool], by: signal.Signals) -> Ended:
    """Start a command and send it a signal at the first moment that ``when`` is true.

    Ctrl-C reaches the whole group of the terminal, as there; a kill only the process itself.
    """
    process = _begin([str(PROGRAM), "--home", str(home.root), *arguments])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while process.poll() is None and not when():
        assert time.monotonic() < deadline, f"{arguments} never came to where to stop it"
        time.sleep(0.002)
    assert process.poll() is None, f"ended too early: {ended(process)}"
    if by is signal.SIGINT:
        os.killpg(process.pid, by)
    else:
        process.send_signal(by)
    return ended(process)


@contextmanager
def waiting(home: Home, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is expected to wait for something."""
    process = _begin([str(PROGRAM), "--home", str(home.root), *arguments])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def other_process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another program, once it has said ``ready``; it ends with the block."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a command."""
    said, _ = process.communicate(timeout=PATIENCE_SECONDS * 2)
    return Ended(process.returncode, said)


def held_for(home: Home, purpose: str) -> bool:
    """Whether the lock file names ``purpose``."""
    try:
        return json.loads(home.lock.read_text())["purpose"] == purpose
    except (OSError, ValueError):
        return False


def _begin(arguments: list[str], file_bytes: int | None = None) -> subprocess.Popen[str]:
    def limit() -> None:
        if file_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))

    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=limit,
    )
