"""What may be said of a source: the closed sets of the configuration, and ``table=kind``."""

from __future__ import annotations

from difflib import get_close_matches
from typing import cast, get_args

from governance.config.mapping import RecordKind
from governance.config.model import Format, Kind, Surface, Trust
from governance.errors import UsageError

KNOWN_KINDS: tuple[str, ...] = get_args(Kind)
KNOWN_FORMATS: tuple[str, ...] = get_args(Format)
SURFACES: tuple[str, ...] = get_args(Surface)
TRUSTS: tuple[str, ...] = get_args(Trust)
ROWS: tuple[RecordKind, ...] = get_args(RecordKind)


def parse_table(given: str) -> tuple[str, RecordKind]:
    """``kunden=persons``.

    Raises:
        UsageError: it is not of that form, or the kind is unknown.
    """
    table, _, kind = given.strip().partition("=")
    if kind not in ROWS:
        close = get_close_matches(kind, ROWS, 1)
        hint = f"Did you mean {close[0]!r}? " if close else ""
        raise UsageError(
            f"{given.strip()!r} does not say what a row stands for.",
            fix=f"{hint}Write {table or 'TABLE'}={'|'.join(ROWS)}",
        )
    return table, cast("RecordKind", kind)
