"""What every wire format offers the judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ingestion.parser import JsonObject


class Native(NamedTuple):
    """A record in native form (DESIGN section 7)."""

    event: JsonObject
    record: JsonObject
    """As the producer wrote it: what a consent_map reads."""
    around: JsonObject | None
    """The batch it came in where that speaks for its records; a consent_map reads it as well."""
    sent_at: object
    received_at: object
    """The producer's own statement, used where the receiver said nothing."""
    corrected: bool
    """Whether the exporter has corrected the client's clock already."""


@dataclass(frozen=True, slots=True)
class Format:
    """A wire format.

    Attributes:
        to_native: maps (record, body it came in, request path); raises Refusal.
        pointers: where the producer's record holds what native form holds elsewhere, so that a
            reject points into the bytes it keeps.
    """

    to_native: Callable[[JsonObject, JsonObject, str | None], Native]
    pointers: Mapping[str, str]

    def pointer(self, native: str) -> str:
        """The pointer into the producer's record for one into native form."""
        found = self.pointers.get(native)
        if found is not None:
            return found
        parent, _, last = native.rpartition("/")
        return f"{self.pointer(parent)}/{last}" if parent in self.pointers else native
