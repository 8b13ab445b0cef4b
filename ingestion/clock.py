"""When a record happened, was sent and was received, and whether that can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from governance.config import Source
from ingestion.delivery import Delivery
from ingestion.formats.record import Native
from ingestion.refusals import Reason, Refusal
from ingestion.times import DAY, microseconds

CLIENTS = ("web", "mobile")
"""Surfaces whose clocks belong to the user: what they say is corrected by the receiver's."""

# What somebody agreed to counts whenever it was, or a denial would be lost; a subscription may end
# in the future, and its end is an event when it has come.
_ANY_TIME = ("consent", "subscription")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Times(NamedTuple):
    """Microseconds since 1970 in UTC."""

    occurred: int
    original: int
    sent: int | None
    received: int
    origin: str
    """Where ``received`` comes from: receipt, declared, sent or event."""


class Clock:
    """The time rules of one source."""

    def __init__(self, source: Source, load_began: datetime) -> None:
        self._began = as_microseconds(load_began)
        self._earliest = as_microseconds(source.earliest)
        self._from = _optional(source.occurred_from)
        self._until = _optional(source.occurred_until)

    def read(self, native: Native, delivery: Delivery, surface: str) -> Times:
        """The record's times; a client's clock is corrected by received_at - sent_at.

        Raises:
            Refusal: no time, no time stamp, or one that cannot be.
        """
        stamp = native.event.get("occurred_at")
        if stamp is None:
            raise Refusal(Reason.MISSING_TIME, "/occurred_at", "is required")
        original = read_time(stamp, "/occurred_at")
        sent = optional_time(native.sent_at, "/sent_at")
        received, origin = delivery.received_at, "receipt" if delivery.wrapped else "declared"
        if received is None and native.received_at is not None:
            received, origin = read_time(native.received_at, "/received_at"), "declared"
        occurred = original
        if received is None:
            received, origin = (original, "event") if sent is None else (sent, "sent")
        elif sent is not None and surface in CLIENTS and not native.corrected:
            occurred = original + received - sent
        self._check_receipt(received, origin)
        if native.kind not in _ANY_TIME and not native.deleted:
            self._check(occurred, received)
        return Times(occurred, original, sent, received, origin)

    def _check_receipt(self, received: int, origin: str) -> None:
        if received > self._began:
            if origin in ("receipt", "declared"):
                raise Refusal(
                    Reason.RECEIVED_IN_FUTURE, "/received_at", "received after this load began"
                )
            raise Refusal(Reason.IN_THE_FUTURE, "/occurred_at", "later than the load that reads it")

    def _check(self, occurred: int, received: int) -> None:
        if occurred > received + DAY:
            raise Refusal(
                Reason.IN_THE_FUTURE, "/occurred_at", "more than a day later than it was received"
            )
        if occurred < self._earliest:
            raise Refusal(Reason.TOO_EARLY, "/occurred_at", "before the source's `earliest`")
        if self._from is not None and occurred < self._from:
            raise Refusal(
                Reason.OUTSIDE_CUTOVER, "/occurred_at", "before the source's `occurred_from`"
            )
        if self._until is not None and occurred >= self._until:
            raise Refusal(
                Reason.OUTSIDE_CUTOVER, "/occurred_at", "not before the source's `occurred_until`"
            )


def read_time(stamp: object, pointer: str) -> int:
    """A time stamp as microseconds.

    Raises:
        Refusal: not ISO 8601 text.
    """
    try:
        return microseconds(stamp)  # pyright: ignore[reportArgumentType] - a wrong type is the TypeError below
    except (ValueError, TypeError):
        raise Refusal(Reason.INVALID_TIME, pointer, "not an ISO 8601 time") from None


def optional_time(stamp: object, pointer: str) -> int | None:
    """As ``read_time``; None for None."""
    return None if stamp is None else read_time(stamp, pointer)


def as_microseconds(moment: datetime) -> int:
    """An aware datetime as microseconds since 1970 in UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _optional(moment: datetime | None) -> int | None:
    return None if moment is None else as_microseconds(moment)
