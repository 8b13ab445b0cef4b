"""What an order is and whose, said once more in plain Python for the recounts."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CENT = Decimal("0.01")


def cents(amount: Decimal) -> Decimal:
    return Decimal(amount).quantize(CENT, ROUND_HALF_UP)


def order_key(event: dict[str, Any]) -> str:
    return event["order_id"] or event["event_key"]


def order_persons(events: list[dict[str, Any]]) -> dict[str, str | None]:
    """Whose each believed order is: its first sale that names somebody, else its first refund."""
    return {key: event["person_id"] for key, event in naming_events(events).items()}


def naming_events(events: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The event that says whose each believed order is."""
    believed = [event for event in events if event["is_authoritative_revenue"]]
    believed.sort(key=lambda e: (e["revenue"] < 0, e["occurred_at"], e["event_id"]))
    naming: dict[str, dict[str, Any]] = {}
    for event in believed:
        if naming.setdefault(order_key(event), event)["person_id"] is None:
            naming[order_key(event)] = event
    return naming
