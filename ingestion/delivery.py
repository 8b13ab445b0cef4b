"""What one landing line delivers: the collector's wrapping, the body, and the records in it.

A line is a record in the source's format, a batch of them (``{"batch": [...]}``), or the
collector's record ``{"receipt_id", "received_at", "source", "headers", "body"}`` around either, its
body an object or the text of one. ``receipts`` counts the same shapes on its own, in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ingestion.parser import JsonObject, parse
from ingestion.refusals import Reason, Refusal, child
from ingestion.times import microseconds

_RECORD_KEYS = ("event_name", "type")  # a record of its own, whatever else it carries


class Delivery(NamedTuple):
    """A line, unwrapped. ``records`` is None where the body is itself the one record."""

    body: JsonObject
    records: list[Any] | None
    received_at: int | None
    """The receiver's own stamp, microseconds UTC."""
    receipt_id: str | None
    path: str | None
    """Of the request, where the collector kept it: Segment's browser calls differ only in it."""
    wrapped: bool
    headers: Mapping[str, str] = {}
    """Of the request, names in small letters."""


def unwrap(
    line: JsonObject, *, depth: int, batch_events: int, always_wrapped: bool = False
) -> Delivery:
    """Read the wrapping of one parsed line.

    Args:
        line: as the parser read it.
        depth: as the parser's, of a body that is text.
        batch_events: the most records a batch may hold.
        always_wrapped: the feed is a log of deliveries: whatever else a line says, its body counts.

    Raises:
        Refusal: the line as a whole cannot be used.
    """
    received_at = _received_at(line)
    receipt_id = line.get("receipt_id")
    if type(receipt_id) is not str:
        receipt_id = None
    if "body" not in line and "batch" not in line:
        return Delivery(line, None, received_at, receipt_id, None, False)
    wrapped = "body" in line and line["body"] is not None and not _is_batch(line)
    single = any(key in line for key in _RECORD_KEYS)
    wrapped = wrapped and (always_wrapped or not single)
    body = _body(line["body"], depth) if wrapped else line
    records = body.get("batch")
    if type(records) is not list or (wrapped and single):
        records = None
    elif not records:
        raise Refusal(Reason.EMPTY_BATCH, _batch_pointer(wrapped), "the batch holds no records")
    elif len(records) > batch_events:
        raise Refusal(
            Reason.BATCH_TOO_LONG, _batch_pointer(wrapped), "more records than limits.batch_events"
        )
    if not wrapped:
        return Delivery(body, records, received_at, receipt_id, None, False)
    return Delivery(body, records, received_at, receipt_id, _path(line), True, _headers(line))


def narrowed(line: JsonObject, delivery: Delivery, item: int) -> JsonObject:
    """The line as if it had delivered this record alone: what a reject keeps to be judged again."""
    if delivery.records is None:
        return line
    body = {**delivery.body, "batch": [delivery.records[item]]}
    return {**line, "body": body} if delivery.wrapped else body


def _received_at(line: JsonObject) -> int | None:
    key = "received_at"
    stamp = line.get(key)
    if stamp is None:
        key = "receivedAt"
        stamp = line.get(key)
        if stamp is None:
            return None
    try:
        return microseconds(stamp)
    except (ValueError, TypeError):
        raise Refusal(Reason.INVALID_TIME, child("", key), "not an ISO 8601 time") from None


def _body(body: object, depth: int) -> JsonObject:
    if type(body) is str:
        try:
            return parse(body.encode(), depth=depth)
        except Refusal as refusal:
            raise Refusal(refusal.reason, "/body", refusal.detail) from None
    if type(body) is not dict:
        raise Refusal(Reason.NOT_AN_OBJECT, "/body", "the body must be a JSON object, or its text")
    return body


def _is_batch(line: JsonObject) -> bool:
    batch = line.get("batch")
    return type(batch) is list and len(batch) > 0


def _batch_pointer(wrapped: bool) -> str:
    return "/body/batch" if wrapped else "/batch"


def _headers(line: JsonObject) -> dict[str, str]:
    headers = line.get("headers")
    if type(headers) is not dict:
        return {}
    return {name.lower(): text for name, text in headers.items() if type(text) is str}


def _path(line: JsonObject) -> str | None:
    headers = line.get("headers")
    path = line.get("path") or (headers.get("path") if type(headers) is dict else None)
    return path if type(path) is str else None
