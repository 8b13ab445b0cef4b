"""Contracts: what an event's properties may be, who owns them and the class of each.

``contracts/*.json`` in the home, one event a file: a JSON Schema (2020-12) of the event's
``properties`` with ``title`` (the event's name), ``x-version``, ``x-owner``,
optionally ``x-interactive``, and ``x-class`` on every property. The class of a property
holds for all of its value, nested parts included.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, cast

import jsonschema_rs

from governance.classes import CONTRACT_CLASSES, FieldClass
from governance.errors import UserError
from governance.masking import mask_text

Status = Literal["valid", "unplanned", "invalid"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# Their messages name keys of the event, which can hold anything; ours name the rule only.
_NAMES_INPUT = frozenset(
    {"additionalProperties", "unevaluatedProperties", "propertyNames", "dependentRequired"}
)
_DETAIL_CHARS = 200
_REVIEWED = frozenset({"public", "internal", "pseudonym"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether properties keep their event's contract.

    ``pointer`` is the JSON pointer of the first offending value below ``properties``; ``detail``
    says which rule it breaks and never holds the value.
    """

    status: Status
    version: str | None = None
    pointer: str | None = None
    detail: str | None = None


UNPLANNED = Verdict("unplanned")


@dataclass(frozen=True, slots=True)
class Split:
    """Properties by what may happen to them.

    ``direct`` are direct identifiers the caller tokenises; they are in neither of the other two.
    """

    reviewed: dict[str, object]
    unreviewed: dict[str, object]
    direct: dict[str, object]


@dataclass(frozen=True, slots=True)
class Contract:
    """One event's contract, compiled."""

    event: str
    version: str
    owner: str
    interactive: bool | None  # None: by the surface
    classes: Mapping[str, FieldClass]
    path: Path
    validator: jsonschema_rs.Draft202012Validator = field(repr=False, compare=False)
    valid: Verdict = field(repr=False, compare=False)


class Contracts:
    """All contracts of a home, by event name."""

    __slots__ = ("_by_event",)

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._by_event = dict(contracts)

    @classmethod
    def load(cls, folder: Path) -> Contracts:
        """Read ``folder/*.json``; a folder that is missing holds no contracts.

        Raises:
            UserError: listing every file that is not a contract, each with file and JSON pointer.
        """
        found: dict[str, Contract] = {}
        problems: list[str] = []
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            contract, wrong = _read(path)
            problems += wrong
            if contract is None:
                continue
            if contract.event in found:
                other = found[contract.event].path.name
                problems.append(
                    f"{path}: /title: {contract.event!r} has a contract in {other} already."
                )
            found[contract.event] = contract
        if problems:
            raise UserError(
                "\n".join(problems),
                why="A contract is a JSON Schema of one event's properties, with a class on each.",
                fix="Mend the files named above, then run: throughline config check",
            )
        return cls(found)

    def __len__(self) -> int:
        return len(self._by_event)

    def __iter__(self) -> Iterator[Contract]:
        return iter(self._by_event.values())

    def __contains__(self, event_name: object) -> bool:
        return event_name in self._by_event

    def get(self, event_name: str) -> Contract | None:
        """The contract of an event, if it is planned."""
        return self._by_event.get(event_name)

    def judge(self, event_name: str, properties: Mapping[str, object]) -> Verdict:
        """Whether the properties keep the contract; an event without one is ``unplanned``."""
        contract = self._by_event.get(event_name)
        if contract is None:
            return UNPLANNED
        try:
            if contract.validator.is_valid(properties):
                return contract.valid
            error = next(iter(contract.validator.iter_errors(properties)))
        except ValueError:
            return Verdict("invalid", contract.version, "", "cannot be read as JSON")
        return Verdict("invalid", contract.version, _pointer(error.instance_path), _detail(error))

    def split(
        self,
        event_name: str,
        properties: Mapping[str, object],
        declared: Mapping[str, FieldClass] | None = None,
    ) -> Split:
        """Sort properties into reviewed, unreviewed and direct identifiers.

        Unreviewed are those nobody declares or that are classed as free text or sensitive. A
        contract decides alone; ``declared`` is what a mapping says where there is none.
        """
        contract = self._by_event.get(event_name)
        classes = declared if contract is None else contract.classes
        if not classes:
            return Split({}, dict(properties), {})
        reviewed: dict[str, object] = {}
        unreviewed: dict[str, object] = {}
        direct: dict[str, object] = {}
        for name, value in properties.items():
            field_class = classes.get(name)
            if field_class in _REVIEWED:
                reviewed[name] = value
            elif field_class == "direct_identifier":
                direct[name] = value
            else:
                unreviewed[name] = value
        return Split(reviewed, unreviewed, direct)


def _pointer(path: list[str | int]) -> str:
    # A piece of the path can be a key of the event, which can be anything.
    pieces = (mask_text(str(piece))[0].replace("~", "~0").replace("/", "~1") for piece in path)
    return "".join(f"/{piece}" for piece in pieces)


def _detail(error: jsonschema_rs.ValidationError) -> str:
    keyword = str(error.schema_path[-1]) if error.schema_path else "false"
    if keyword in _NAMES_INPUT:
        return f"breaks {keyword!r}"
    return error.message[:_DETAIL_CHARS]


def _read(path: Path) -> tuple[Contract | None, list[str]]:
    """A contract, or what is wrong with the file."""
    try:
        schema = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (OSError, ValueError) as error:
        return None, [f"{path}: {error}"]
    if not isinstance(schema, dict):
        return None, [f"{path}: must be a JSON object."]
    problems = [f"{path}: {problem}" for problem in _problems(schema)]
    if problems:
        return None, problems
    try:
        validator = jsonschema_rs.Draft202012Validator(
            schema, validate_formats=True, mask="the value", offline=True
        )
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        return None, [f"{path}: is not a valid JSON Schema: {str(error).splitlines()[0]}"]
    version = str(schema["x-version"])
    return (
        Contract(
            event=schema["title"],
            version=version,
            owner=schema["x-owner"],
            interactive=schema.get("x-interactive"),
            classes={name: part["x-class"] for name, part in schema.get("properties", {}).items()},
            path=path,
            validator=validator,
            valid=Verdict("valid", version),
        ),
        [],
    )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object.")
        found[key] = value
    return found


def _problems(schema: dict[str, object]) -> Iterator[str]:
    for key in ("title", "x-version", "x-owner"):
        if not isinstance(schema.get(key), str) or not schema[key]:
            yield f"/{key}: is required and must be a text."
    if not isinstance(schema.get("x-interactive", True), bool):
        yield "/x-interactive: must be true or false."
    if schema.get("$schema", DIALECT) != DIALECT:
        yield f"/$schema: must be {DIALECT}."
    if schema.get("type", "object") != "object":
        yield "/type: must be object: a contract describes an event's properties."
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        yield "/properties: must be an object."
        return
    for name, part in cast("dict[str, object]", properties).items():
        yield from _class_problems(f"/properties/{name}", part)


def _class_problems(pointer: str, part: object) -> Iterator[str]:
    if not isinstance(part, dict):
        yield f"{pointer}: must be an object with an x-class."
        return
    given = part.get("x-class")
    names = ", ".join(CONTRACT_CLASSES)
    if given is None:
        yield f"{pointer}/x-class: is required; one of {names}."
    elif given not in CONTRACT_CLASSES:
        close = get_close_matches(str(given), CONTRACT_CLASSES, 1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        yield f"{pointer}/x-class: {given!r} is not a class; one of {names}.{hint}"
    else:
        yield from _nested_problems(pointer, cast("dict[str, object]", part), given)


def _nested_problems(pointer: str, part: object, given: str) -> Iterator[str]:
    """Classes below a property that differ from the property's, which holds for the whole value."""
    pieces = (
        part.items()
        if isinstance(part, dict)
        else enumerate(part)
        if isinstance(part, list)
        else ()
    )
    for key, inner in pieces:
        if key == "x-class" and isinstance(inner, str) and inner != given:
            yield (
                f"{pointer}/x-class: {inner!r} differs from the class of the whole property,"
                f" {given!r}; class the property by its strictest part."
            )
        yield from _nested_problems(f"{pointer}/{key}", inner, given)
