"""May this record be used? The judgement at ingest, from the basis and the record's own flags.

Fail closed: what is missing, unreadable or contradictory counts as denied. One judgement per
record: a denial that comes later as a record of its own does not reach back yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

LawfulBasis = Literal["consent", "contract", "legitimate_interests", "not_personal"]
Flag = Literal["granted", "denied", "missing", "unreadable", "contradictory"]
Disposition = Literal["accepted", "stripped"]
StripReason = Literal["missing", "denied", "unreadable", "contradictory"]
Purpose = Literal["analytics", "marketing"]

LAWFUL_BASES: tuple[LawfulBasis, ...] = get_args(LawfulBasis)
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a record, and why when it is stripped."""

    disposition: Disposition
    reason: StripReason | None = None


ACCEPTED = Decision("accepted")
_STRIPPED: dict[Flag, Decision] = {
    reason: Decision("stripped", reason) for reason in get_args(StripReason)
}


def read_flag(value: object) -> Flag:
    """The meaning of one JSON value: ``true`` grants, ``false`` denies, null says nothing.

    ``"true"`` and ``1`` are unreadable: a producer that is not sure has not asked.
    """
    if value is True:
        return "granted"
    if value is False:
        return "denied"
    return "missing" if value is None else "unreadable"


def combine(first: Flag, second: Flag) -> Flag:
    """Two statements about one purpose: a disagreement is contradictory, silence adds nothing.

    What cannot be read outweighs everything, so any number of statements combine in any order.
    """
    if first == second or second == "missing":
        return first
    if first == "missing":
        return second
    return "unreadable" if "unreadable" in (first, second) else "contradictory"


def as_boolean(flag: Flag) -> bool | None:
    """The flag as it is stored: true, false, or null for whatever does not say."""
    if flag == "granted":
        return True
    return False if flag == "denied" else None


def fail_closed(flag: Flag) -> Flag:
    """What cannot be read, or says both, is a denial; silence stays silence."""
    return "denied" if flag in ("unreadable", "contradictory") else flag


def judge(lawful_basis: LawfulBasis, analytics: Flag) -> Decision:
    """Whether a record of a source with this basis may be used for analytics.

    ``consent`` needs a grant. Under ``legitimate_interests`` a denial is an objection, and a flag
    that cannot be read may be one; only silence passes. ``contract`` and ``not_personal`` do not
    ask.
    """
    if lawful_basis in ("contract", "not_personal") or analytics == "granted":
        return ACCEPTED
    if lawful_basis == "legitimate_interests" and analytics == "missing":
        return ACCEPTED
    return _STRIPPED[analytics]


def read_consent_map(
    record: Mapping[str, object], consent_map: Mapping[Purpose, str]
) -> dict[Purpose, Flag]:
    """The flag of each purpose at its dotted path in the producer's record.

    A path that runs through something that is not an object is unreadable, not missing: the
    producer says something there that we do not understand.
    """
    return {purpose: _flag_at(record, path) for purpose, path in consent_map.items()}


def _flag_at(record: Mapping[str, object], path: str) -> Flag:
    value: object = record
    for key in path.split("."):
        if value is None:
            return "missing"
        if not isinstance(value, Mapping):
            return "unreadable"
        value = value.get(key)
    return read_flag(value)
