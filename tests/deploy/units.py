"""Reading the unit files and the list of commands in ``deploy/README.md``."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conftest import ROOT

UNITS = [
    ROOT / "deploy" / "systemd" / f"throughline-{name}@.service" for name in ("daemon", "webserver")
]


def unit(path: Path) -> list[tuple[str, str]]:
    """The settings of a unit, in order."""
    lines = [line.strip() for line in path.read_text().splitlines()]
    return [
        (line.partition("=")[0], line.partition("=")[2])
        for line in lines
        if line and line[0] not in "#;["
    ]


def value_of(settings: list[tuple[str, str]], name: str) -> str:
    (found,) = [value for key, value in settings if key == name]
    return found


def commands(heading: str) -> list[str]:
    """The commands of the first block of code below a heading of deploy/README.md."""
    text = (ROOT / "deploy" / "README.md").read_text()
    block = re.search(rf"## {re.escape(heading)}.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None, heading
    return block[1].splitlines()
