"""A delivery of a webhook as a format is given it, and as a line of a log."""

from __future__ import annotations

from typing import Any

from ingestion.delivery import Delivery
from ingestion.formats.record import Format, Native

RECEIVED = "2026-04-13T10:00:05.000000Z"


def native(format_: Format, body: dict[str, Any], headers: dict[str, str] | None = None) -> Native:
    """What a format of webhooks makes of a body."""
    record = {"body": body, "headers": headers or {}, "received_at": RECEIVED}
    return format_.to_native(record, Delivery(body, None, None, None, None, True), 0)


def line(body: dict[str, Any], headers: dict[str, str] | None = None) -> dict[str, Any]:
    """As a log keeps it."""
    return {"received_at": RECEIVED, "headers": headers or {}, "body": body}
