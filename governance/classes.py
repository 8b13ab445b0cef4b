"""The class of every field, and which classes a published role may see.

A property gets its class from its event's contract (``x-class``), a column from its model's yml
(``config.meta.class``). A published column without a class fails the build.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

FieldClass = Literal[
    "public",  # may be shown to anybody
    "internal",  # business facts that name nobody
    "pseudonym",  # stands for a person; useless without the home's keys
    "direct_identifier",  # names a person; never in clear in a warehouse table
    "sensitive",  # special categories, and whatever the owner declares so
    "free_text",  # typed by people, so it can hold anything
    "unreviewed",  # nobody has looked at it yet; known patterns are masked
]
Role = Literal["analyst"]

FIELD_CLASSES: tuple[FieldClass, ...] = get_args(FieldClass)

# A contract is a review, so it cannot call a property unreviewed.
CONTRACT_CLASSES: tuple[FieldClass, ...] = tuple(c for c in FIELD_CLASSES if c != "unreviewed")

PUBLISHED: dict[Role, frozenset[FieldClass]] = {
    "analyst": frozenset({"public", "internal", "pseudonym", "unreviewed"}),
}


def is_field_class(value: object) -> bool:
    """Whether ``value`` is the name of a field class."""
    return value in FIELD_CLASSES


def is_published(field_class: str | None, role: Role) -> bool:
    """Whether a field of this class is in the role's published copy.

    A missing or unknown class is never published: absence of a decision is a refusal.
    """
    return cast("FieldClass", field_class) in PUBLISHED[role]
