"""What the payment provider calls back about: charges and refunds, in Stripe's shape.

The provider knows its own customer and, in the metadata, the shop's order. It delivers at least
once: now and then a delivery comes again, or hours late, always under the same id. Each evening it
tells the balance, which is nobody's event.
"""

from __future__ import annotations

from random import Random
from typing import Any

import orjson

from ingestion.sample.clock import DAY, HOUR, MINUTE, SECOND, Window, iso
from ingestion.sample.events import Event, Movement
from ingestion.sample.spool import Spool

PAYMENTS = "payments"

_TWICE_SHARE = 0.04
_LATE_SHARE = 0.03
_ACCOUNT = "acct_larkfield"
_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ"


class Provider:
    """Calls back into a spool."""

    def __init__(self, spool: Spool, window: Window) -> None:
        self._spool = spool
        self._window = window

    def report(self, rng: Random, booked: list[Movement]) -> list[Event]:
        """The deliveries about one person's money, in time; what comes of them."""
        charges: dict[str, dict[str, Any]] = {}
        found: list[Event] = []
        for movement in sorted(booked, key=lambda each: each.at):
            if movement.kind == "renewal":
                continue  # another subsidiary collects those
            if movement.kind == "order":
                charge = _charge(rng, movement)
                charges[movement.money.order_id] = charge
                event = self._deliver(rng, "charge.succeeded", {"object": charge}, movement)
            else:
                data = _refunded(charges[movement.money.order_id], movement)
                event = self._deliver(rng, "charge.refunded", data, movement)
            found.append(event)
        return found

    def balances(self, rng: Random) -> list[Event]:
        """One delivery an evening, so that a quiet day is told apart from a broken line."""
        found = []
        for at in range(self._window.start + 22 * HOUR + 30 * MINUTE, self._window.end, DAY):
            event = Event(
                event_id=_id(rng, "evt_"),
                source="payments",
                name="balance.available",
                kind="track",
                at=at,
                actor=None,
                why_not="no_identifier",
            )
            balance = {"object": {"object": "balance", "livemode": True}}
            self._put(event, balance, at + SECOND)
            found.append(event)
        return found

    def _deliver(self, rng: Random, kind: str, data: dict[str, Any], movement: Movement) -> Event:
        actor, account = movement.actor, movement.account
        event = Event(
            event_id=_id(rng, "evt_"),
            source="payments",
            name=kind,
            kind="track",
            at=movement.at - movement.at % SECOND,  # the provider counts in seconds
            actor=actor,
            money=movement.money,
        )
        if account is actor.accounts[0] or actor.merges_accounts:
            event.expected = actor.key
        else:
            event.why_not = "second_account_never_merged"
        received = movement.at + rng.randint(2 * SECOND, 8 * SECOND)
        event.lateness = "prompt"
        if rng.random() < _LATE_SHARE:
            received += rng.randint(HOUR, 2 * DAY)
            event.lateness = "hours"
        received = min(received, self._window.end - 2 * MINUTE)
        self._put(event, data, received)
        if rng.random() < _TWICE_SHARE:
            self._put(event, data, min(received + HOUR, self._window.end - MINUTE))
        return event

    def _put(self, event: Event, data: dict[str, Any], received: int) -> None:
        created = event.at // SECOND
        body = {
            "id": event.event_id,
            "object": "event",
            "account": _ACCOUNT,
            "api_version": "2025-03-31.basil",
            "created": created,
            "data": data,
            "livemode": True,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "type": event.name,
        }
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": f"t={created},v1={'0' * 64}",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        }
        line = orjson.dumps({"received_at": iso(received), "headers": headers, "body": body})
        self._spool.put(PAYMENTS, received, line)
        event.copies += 1


def _charge(rng: Random, sale: Movement) -> dict[str, Any]:
    return {
        "id": _id(rng, "ch_"),
        "object": "charge",
        "amount": sale.money.cents,
        "amount_captured": sale.money.cents,
        "amount_refunded": 0,
        "captured": True,
        "created": sale.at // SECOND,
        "currency": sale.money.currency.lower(),
        "customer": sale.account.customer_id,
        "livemode": True,
        "metadata": {"order_id": sale.money.order_id},
        "paid": True,
        "payment_intent": _id(rng, "pi_"),
        "refunded": False,
        "status": "succeeded",
    }


def _refunded(charge: dict[str, Any], refund: Movement) -> dict[str, Any]:
    """The same charge as it stands after the refund, and what was different before."""
    back = -refund.money.cents
    was = {name: charge[name] for name in ("amount_refunded", "refunded")}
    now = {"amount_refunded": back, "refunded": back == charge["amount"]}
    return {"object": charge | now, "previous_attributes": was}


def _id(rng: Random, prefix: str) -> str:
    return prefix + "".join(rng.choice(_ALPHABET) for _ in range(24))
