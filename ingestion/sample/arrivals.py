"""The order in which the sample arrives: half of its files first, the others when those are built.

Which half is drawn, so that days and sources come out of order, as they do after an outage.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

from governance.home import Home
from ingestion.sample.shop import SHOP


def hold_back(home: Home, seed: int) -> int:
    """Put half of the landing files aside, until ``give_back``; returns how many."""
    files = sorted(
        path
        for path in home.landing.rglob("*")
        if path.is_file() and path.relative_to(home.landing).parts[0] != SHOP
    )
    chosen = Random(seed).sample(files, len(files) // 2)  # noqa: S311  # a sample, not a secret
    for path in chosen:
        _move(path, _aside(home) / path.relative_to(home.landing))
    return len(chosen)


def give_back(home: Home) -> int:
    """Put back what was put aside, by a demo that was killed too; returns how many files."""
    aside = _aside(home)
    files = [path for path in aside.rglob("*") if path.is_file()]
    for path in files:
        _move(path, home.landing / path.relative_to(aside))
    shutil.rmtree(aside, ignore_errors=True)
    return len(files)


def _aside(home: Home) -> Path:
    return home.root / ".held_back"


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    path.replace(to)
