"""What the benchmarks share: a home of their own, commands as child processes, one line of result.

A command's memory is the sum of the resident sets of its whole process tree: dbt is a child of its
own. Pages that two processes share count twice, so the figure errs on the high side.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from governance.home import Home
from governance.keys import make_keys
from orchestration.dbt import target_folder

_SAMPLE_SECONDS = 0.2
_QUIET = {
    "DO_NOT_TRACK": "1",
    "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "GX_ANALYTICS_ENABLED": "false",
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What one command took; ``largest`` names the process with the most memory at the peak."""

    seconds: float
    peak_bytes: int
    largest: str


@contextmanager
def fresh_home() -> Iterator[Home]:
    """An empty home with keys, removed afterwards together with what dbt compiled for it."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder).resolve())
        make_keys(home)
        try:
            yield home
        finally:
            shutil.rmtree(target_folder(home), ignore_errors=True)


def throughline(home: Home, *arguments: str) -> Spent:
    """Run ``throughline`` on ``home`` as a person would.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    program = Path(sys.executable).with_name("throughline")
    return spent_by([str(program), "--home", str(home.root), *arguments])


def spent_by(command: list[str]) -> Spent:
    """Run a command to its end and watch its process tree.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, env={**os.environ, **_QUIET}
        )
        root = psutil.Process(process.pid)
        peak, largest = 0, ""
        while True:
            held = _resident(root)
            if sum(held.values()) > peak:
                peak, largest = sum(held.values()), max(held, key=held.__getitem__)
            try:
                process.wait(_SAMPLE_SECONDS)
                break
            except subprocess.TimeoutExpired:
                continue
        seconds = time.perf_counter() - started
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(command)} failed:\n{said.read()[-2000:]}")
    return Spent(seconds, peak, largest)


def _resident(root: psutil.Process) -> dict[str, int]:
    """Bytes in memory of every process of the tree, by process id and module."""
    held: dict[str, int] = {}
    try:
        for process in [root, *root.children(recursive=True)]:
            name = f"{process.pid} {' '.join(process.cmdline()[1:4])}"
            held[name] = process.memory_info().rss
    except psutil.NoSuchProcess:
        pass  # one has just ended; the next sample sees the rest
    return held


def say(name: str, measured: float, budget: float | None, **more: object) -> bool:
    """Print one line of JSON; returns whether the budget, if there is one, holds."""
    ok = budget is None or measured <= budget
    line = {"name": name, "measured": round(measured, 2), "budget": budget, "ok": ok, **more}
    print(json.dumps(line), flush=True)  # noqa: T201 - the result of a benchmark goes to stdout
    return ok
