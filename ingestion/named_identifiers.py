"""An identifier as people write it, ``kind:value``, in the form the warehouse stores it in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from governance import normalise
from governance.errors import UserError
from governance.keys import Keys
from governance.masking import looks_direct
from ingestion.envelope import is_namespace
from ingestion.identifiers import Identifiers

EXTERNAL = "external"
# From the strongest; the numbers are those of the dbt macro kind_priority.
_PRIORITIES = {
    "user_id": 1,
    EXTERNAL: 2,
    "email": 3,
    "phone": 4,
    "anonymous_id": 5,
    "device_id": 6,
}
_FIRST_OF_DEVICES = 5
_WRITTEN = "user_id:…, external:<namespace>:…, email:…, phone:…, anonymous_id:… or device_id:…"

# The same values as in the dbt macro is_null_like; a test holds the two together.
_NOBODY = frozenset(
    [
        *("", "null", "none", "nil", "undefined", "nan", "n/a", "na", "unknown", "anonymous"),
        *("guest", "default", "-", "0", "-1", "true", "false", "(not set)", "not set"),
        *("[object object]", "anon", "test"),
        # of a series of Androids, and of all iPhones since 2013
        *("9774d56d682e549c", "02:00:00:00:00:00"),
    ]
)
_ZEROS = re.compile(r"[0:\-]+")
_TOKEN = re.compile(r"tok_([a-z]+)_[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class NamedIdentifier:
    """An identifier as ``int_identity_nodes`` knows it: direct ones are tokens."""

    kind: str
    value: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}"

    @property
    def is_device(self) -> bool:
        """Whether it names a device and not a person."""
        return self.order[0] >= _FIRST_OF_DEVICES

    @property
    def order(self) -> tuple[int, str, str]:
        """The smaller, the stronger: of a component the smallest stands for the person."""
        return _PRIORITIES[self.kind.partition(":")[0]], self.kind, self.value


def read_identifier(text: str, keys: Keys) -> NamedIdentifier:
    """The identifier written as ``text``; what is direct in it becomes the token ingestion makes.

    Raises:
        UserError: no such kind, or the value can not be one. Never repeats a value, for it may be
            somebody's address.
    """
    kind, value = _parts(text)
    stored = _stored(kind, normalise.identifier(value), keys)
    if is_null_like(stored):
        raise UserError(
            f"The value of this {kind} names nobody.",
            why="Producers send such values when they have no id: they stand for anybody.",
            fix="Name an identifier that belongs to one person or device.",
        )
    return NamedIdentifier(kind, stored)


def as_pair(
    one: NamedIdentifier, other: NamedIdentifier
) -> tuple[NamedIdentifier, NamedIdentifier]:
    """The two as a pair that can be spoken of, the stronger first.

    Raises:
        UserError: they are the same, or a person and a device.
    """
    if one == other:
        raise UserError(
            f"Both identifiers are {one}.",
            why="They are compared as the warehouse stores them.",
            fix="Name two different identifiers.",
        )
    if one.is_device != other.is_device:
        device, person = (one, other) if one.is_device else (other, one)
        raise UserError(
            f"{device} names a device, {person} a person.",
            why="A device is whose hands it is in: events tell it, and for a time only.",
            fix="Name two identifiers of persons (user_id, external, email, phone)"
            " or two of devices (anonymous_id, device_id).",
        )
    return (one, other) if one.order < other.order else (other, one)


def is_null_like(value: str) -> bool:
    """Whether producers send this value, trimmed as every stored one, when they have no id."""
    return value.lower() in _NOBODY or _ZEROS.fullmatch(value) is not None


def _parts(text: str) -> tuple[str, str]:
    """Kind and value; the namespace of an external id is part of its kind."""
    kind, colon, value = normalise.identifier(text).partition(":")
    if kind == EXTERNAL:
        namespace, colon, value = value.partition(":")
        namespace = namespace.strip().lower()
        if colon and is_namespace(namespace):
            return f"{EXTERNAL}:{namespace}", value
        raise UserError(
            "An external identifier needs its namespace.",
            why="A namespace is a name of a-z, 0-9, _, . and -: whose ids they are.",
            fix="Write external:<namespace>:<id>, such as external:stripe:cus_1.",
        )
    if colon and kind in _PRIORITIES:
        return kind, value
    raise _unknown_kind(kind if colon else "", text)


def _unknown_kind(kind: str, text: str) -> UserError:
    direct = looks_direct(text)
    if direct:
        return UserError(
            "An identifier is written kind:value, and this one has no kind.",
            fix=f"Write {direct}:… in front of the value.",
        )
    near = get_close_matches(kind.lower(), _PRIORITIES, n=1)
    return UserError(
        "An identifier is written kind:value, and this one has no kind that is known.",
        why=f"The kinds are: {_WRITTEN}.",
        fix=f"Did you mean {near[0]}:…?" if near else "Write one of these kinds in front of it.",
    )


def _stored(kind: str, value: str, keys: Keys) -> str:
    """The value as ingestion would have stored it."""
    token = _TOKEN.fullmatch(value)
    identifiers = Identifiers(keys)
    if kind not in ("email", "phone"):
        return identifiers.identifier(value, "") or ""
    if token and token[1] == kind:
        return value
    found = None
    if not token:
        found = identifiers.email(value, "") if kind == "email" else identifiers.phone(value, "")
    if found is None:
        what = "no e-mail address" if kind == "email" else "no phone number"
        raise UserError(
            f"The value after {kind}: is {what}.",
            why="It is neither one in clear nor its token.",
            fix=f"Write {kind}:tok_{kind}_…, as in bridge_identities, or the clear value.",
        )
    return found
