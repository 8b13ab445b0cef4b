"""The native event (DESIGN section 7): one JSON object; the judge reads it as it is.

Only ``event_name``, ``occurred_at`` and one identifier or ``"subject": {}`` are required. Keys the
format does not name are tolerated and not stored; they count in the content digest, so two copies
that differ in them conflict.
"""

from __future__ import annotations

from ingestion.delivery import Delivery
from ingestion.formats.record import Format, Native
from ingestion.parser import JsonObject


def to_native(record: JsonObject, delivery: Delivery, item: int) -> Native:  # noqa: ARG001 - the shape of every format
    """The record itself; a batch may say once for all when it was sent."""
    body = delivery.body
    return Native(
        record,
        record,
        None,
        record.get("sent_at") or body.get("sent_at"),
        record.get("received_at"),
        False,
    )


FORMAT = Format(to_native)
