"""A source as commented YAML, put at the end of ``sources:`` with nothing else of the file touched.

The text is inserted, not rewritten: comments and order stay, and what comes out is parsed before it
is written.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from governance.errors import UserError
from governance.starter import EXAMPLE_SOURCE

_PLAIN = re.compile(r"[A-Za-z_/.][A-Za-z0-9_./:+-]*")
_RESERVED = re.compile(r"(?i)\.+|true|false|null|yes|no|on|off|y|n|~")
_COMMENT_AT = 42
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A key with its value: a scalar, a flow of them, entries below it, or items of entries."""

    key: str
    value: Any
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Items:
    """A list, each item a mapping of entries."""

    items: Sequence[Sequence[Entry]]


def source_lines(entries: Sequence[Entry], *, indent: int = 2) -> list[str]:
    """The lines of one item of ``sources``."""
    return _item(entries, indent)


def flow(value: object) -> str:
    """A value on one line, as this file's YAML reads it back."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(k)}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and not _RESERVED.fullmatch(value)
        ends = value.endswith(":")
        return value if plain and not ends else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def with_source(text: str, lines: Sequence[str]) -> str:
    """The configuration with one more source at its end.

    Raises:
        UserError: ``sources`` is written in a way that no block can be added to.
    """
    node = _sources(text)
    written = text.removesuffix("\n").split("\n") if text else []
    if node is None:
        return "\n".join([*written, *([""] if written else []), "sources:", *lines]) + "\n"
    if isinstance(node, yaml.ScalarNode) and not node.value:
        at = node.start_mark.line + 1  # a bare `sources:`
        return "\n".join([*written[:at], *lines, *written[at:]]) + "\n"
    if not isinstance(node, yaml.SequenceNode) or node.flow_style or not node.value:
        raise UserError(
            "sources: in throughline.yml is not a list with one source below the other.",
            why="A source is added below the last one, and nothing else is touched.",
            fix="Write each source as an item of its own (`  - name: …`), then run this again.",
        )
    column = written[node.start_mark.line].index("-")
    at = _end(written, node, column)
    shift = column - (len(lines[0]) - len(lines[0].lstrip()))
    moved = [_shifted(line, shift) for line in lines]
    return "\n".join([*written[:at], "", *moved, *written[at:]]) + "\n"


def without_example(text: str) -> str:
    """The configuration without the example source of ``init``, if it stands there untouched."""
    return text.replace(EXAMPLE_SOURCE, "", 1) if text.count(EXAMPLE_SOURCE) == 1 else text


def replace_file(path: Path, old: str, new: str) -> None:
    """Write a file whole or not at all, and only while it still says what was read.

    Raises:
        UserError: somebody changed it in the meantime.
    """
    if path.read_text(encoding="utf-8") != old:
        raise UserError(
            f"{path} was changed while this ran.",
            why="What was tried is not what stands there now.",
            fix="Run the same command again.",
        )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    mode = path.stat().st_mode & 0o777
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _item(entries: Sequence[Entry], indent: int) -> list[str]:
    lines = _entries(entries, indent + 2)
    lines[0] = " " * indent + "- " + lines[0].lstrip()
    return lines


def _entries(entries: Sequence[Entry], indent: int) -> list[str]:
    lines: list[str] = []
    for entry in entries:
        head = f"{' ' * indent}{flow(entry.key)}:"
        value = entry.value
        if isinstance(value, Items):
            lines.append(_commented(head, entry.comment))
            for item in value.items:
                lines += _item(item, indent + 2)
        elif isinstance(value, list) and value and isinstance(value[0], Entry):
            lines.append(_commented(head, entry.comment))
            lines += _entries(value, indent + 2)
        elif isinstance(value, Mapping) and len(head) + len(flow(value)) >= _WIDTH:
            lines.append(_commented(head, entry.comment))
            lines += _entries([Entry(str(k), v) for k, v in value.items()], indent + 2)
        else:
            lines.append(_commented(f"{head} {flow(value)}", entry.comment))
    return lines


def _commented(line: str, comment: str) -> str:
    return f"{line.ljust(_COMMENT_AT - 1)} # {comment}" if comment else line


def _shifted(line: str, by: int) -> str:
    return " " * by + line if by >= 0 else line[-by:]


def _sources(text: str) -> yaml.Node | None:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return None
    for key, value in root.value:
        if key.value == "sources":
            return value
    return None


def _end(written: Sequence[str], node: yaml.Node, column: int) -> int:
    """The line behind the last source: behind its own comments, before those of what follows."""
    at = node.end_mark.line + (node.end_mark.column > 0)
    at = min(at, len(written))
    while at > node.start_mark.line + 1 and _is_loose(written[at - 1], column):
        at -= 1
    return at


def _is_loose(line: str, column: int) -> bool:
    """Whether a line belongs to no source: blank, or a comment that is not indented as one."""
    bare = line.lstrip()
    return not bare or (bare.startswith("#") and len(line) - len(bare) <= column)
