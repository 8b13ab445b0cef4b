"""YAML with the line of every key: errors must point at what somebody typed.

A small YAML: ``true``/``false``, numbers, ``null`` and text. The yes/no, sexagesimal and date
guesses of YAML 1.1 are off, so ``country: NO`` is a text. Duplicate keys, merge keys and
self-references are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import yaml

Path_ = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong at a place of the file: where, what, and how to mend it."""

    line: int
    key: str
    what: str
    fix: str = ""

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        return f"line {self.line}: {key}{self.what} {self.fix}".rstrip()


@dataclass(slots=True)
class Document:
    """The values of a YAML file, and the line (from 1) of every key and list item."""

    value: object = None
    lines: dict[Path_, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def line(self, path: Path_) -> int:
        """The line of ``path``, else of the nearest thing around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: Path_) -> str:
    """``("sources", 0, "name")`` as people write it: ``sources[0].name``."""
    text = ""
    for piece in path:
        text += f"[{piece}]" if isinstance(piece, int) else f".{piece}" if text else piece
    return text


class _Loader(yaml.SafeLoader):
    """SafeLoader that guesses only what JSON has."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's way to say it


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""]
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9]\d*)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+\.\d+(?:[eE][-+]\d+)?$"), list("-+0123456789")
)


def read_yaml(text: str) -> Document:
    """Parse ``text``; what is wrong with it is in ``faults``."""
    document = Document()
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                document.value = _Walk(loader, document).value(node, ())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        document.faults.append(Fault(line, "", f"this is not YAML: {error.problem}."))
    except yaml.YAMLError:
        document.faults.append(Fault(1, "", "this is not YAML: it holds characters YAML forbids."))
    return document


class _Walk:
    def __init__(self, loader: _Loader, document: Document) -> None:
        self._loader = loader
        self._document = document
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: Path_) -> object:
        if isinstance(node, yaml.ScalarNode):
            return self._loader.construct_object(node)
        if id(node) in self._open:
            self._fault(node, path, "refers to itself.")
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self._item(child, (*path, i)) for i, child in enumerate(node.value)]
            assert isinstance(node, yaml.MappingNode)
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _item(self, node: yaml.Node, path: Path_) -> object:
        self._document.lines[path] = node.start_mark.line + 1
        return self.value(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path_) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(key_node, path, "a key must be a text.")
                continue
            key = str(key_node.value)
            here = (*path, key)
            if key in found:
                first = self._document.lines[here]
                what = f"stands here a second time (first in line {first})."
                self._fault(key_node, here, what, "Keep one of them.")
                continue
            if key == "<<":
                self._fault(key_node, path, "merge keys (<<) are not supported.")
                continue
            self._document.lines[here] = key_node.start_mark.line + 1
            found[key] = self.value(value_node, here)
        return found

    def _fault(self, node: yaml.Node, path: Path_, what: str, fix: str = "") -> None:
        self._document.faults.append(Fault(node.start_mark.line + 1, dotted(path), what, fix))
