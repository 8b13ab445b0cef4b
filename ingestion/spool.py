"""Where the rows that were read from a database are kept, and how their own columns are called."""

from __future__ import annotations

KEY, HASH, VERSION_AT = "_tl_key", "_tl_hash", "_tl_version_at"
OBSERVED_AT, DELETED = "_tl_observed_at", "_tl_deleted"
OWN_COLUMNS = (KEY, HASH, VERSION_AT, OBSERVED_AT, DELETED)


def folder_of(table: str) -> str:
    """The folder of a table's files below the source's: its name, unusual characters escaped."""
    return "".join(c if c.isalnum() or c in "._-" else f"%{ord(c):02x}" for c in table)
