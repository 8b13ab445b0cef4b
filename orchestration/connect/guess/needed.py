"""What a kind of row needs to be one: fields, of which a guess may lack some."""

from __future__ import annotations

from typing import Any

from governance.config.kinds import NEEDED
from governance.config.mapping import RecordKind

IDENTIFIERS = (
    "user_id",
    "anonymous_id",
    "device_id",
    "account_id",
    "email",
    "phone",
    "external_ids",
)


def missing_fields(kind: RecordKind, mapping: dict[str, Any]) -> list[str]:
    """The groups of fields a kind of row needs and the mapping does not have."""
    missing = [" or ".join(group) for group in NEEDED[kind] if not mapping.keys() & set(group)]
    if kind == "events" and not mapping.keys() & set(IDENTIFIERS):
        missing.append(" or ".join(IDENTIFIERS[:2]))
    return missing
