"""What every wire format offers the judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from governance.classes import FieldClass
from ingestion.delivery import Delivery
from ingestion.parser import JsonObject

RecordKind = Literal["event", "person", "account", "consent", "order", "subscription"]
NO_CLASSES: Mapping[str, FieldClass] = {}


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
    kind: RecordKind = "event"
    version_at: object = None
    """Of a row that is read again when it changes: of its versions the latest counts."""
    deleted: bool = False
    """The row is gone: counted, but no event."""
    classes: Mapping[str, FieldClass] = NO_CLASSES
    """What a mapping says about properties no contract declares."""


@dataclass(frozen=True, slots=True)
class Format:
    """A wire format.

    Attributes:
        to_native: maps (record, the delivery it came in, which of its parts); raises Refusal.
        pointers: where the producer's record holds what native form holds elsewhere, so that a
            reject points into the bytes it keeps.
        parts: records each record of the producer stands for: an order is a sale and a refund.
        whole: whether ``to_native`` is given the whole delivery, headers included.
        parse_line: reads a line of text, where records are no JSON; raises Refusal.
    """

    to_native: Callable[[JsonObject, Delivery, int], Native]
    pointers: Mapping[str, str] = field(default_factory=dict)
    parts: int = 1
    whole: bool = False
    parse_line: Callable[[bytes], JsonObject] | None = None

    def pointer(self, native: str) -> str:
        """The pointer into the producer's record for one into native form."""
        found = self.pointers.get(native)
        if found is not None:
            return found
        parent, _, last = native.rpartition("/")
        return f"{self.pointer(parent)}/{last}" if parent in self.pointers else native
