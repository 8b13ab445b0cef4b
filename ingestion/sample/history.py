"""What the shop sold before the window, as its old software exported it: CSV, then Parquet.

The first months are CSV as a German office writes it (``;``, a comma in amounts, cp1252), the last
is Parquet; one month was delivered twice, under two names. The export was taken two days after the
backend had begun to report, so it holds orders the backend has as well; and the backend told some
of the last orders from before. The cut-over decides: each counts once.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from random import Random
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.sample import catalogue, wire
from ingestion.sample.clock import DAY, HOUR, SECOND, Window, moment
from ingestion.sample.events import Event, Money, Movement
from ingestion.sample.people import REGISTERED_BEFORE, Account, Actor, Consent, Household
from ingestion.sample.spool import LandingFile, Spool
from ingestion.sample.visits import LETTERS

HISTORY = "history"

_ZONE = ZoneInfo("Europe/Berlin")
_REACH = 90 * DAY
_OVERLAP = 2 * DAY
_TOLD_BEFORE = 5 * DAY
_ORDERS = ((0, 1, 2, 3, 5, 9), (34, 20, 18, 14, 10, 4))  # how many in three months, how often
_COLUMNS = ("Auftrag", "Kunde", "Datum", "Betrag", "Währung", "Vorgang", "Umfang")
_OUTSIDE = "outside_cutover"


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the export, with the event it should become."""

    movement: Movement
    kind: str
    extent: str | None
    event: Event


class History:
    """The old books, kept in memory: a few rows a person."""

    def __init__(self, spool: Spool, window: Window) -> None:
        self._spool = spool
        self._window = window
        self._rows: list[_Row] = []
        self._formers = 0

    def play(self, rng: Random, household: Household) -> tuple[list[Actor], list[Movement]]:
        """What a household bought before; returns who is a customer no more, and the money."""
        formers = [self._former(rng)] if rng.random() < 0.25 else []
        buyers = [a for a in household.members if a.role == "customer"] + formers
        moved: list[Movement] = []
        for actor in buyers:
            if actor.signed_up_at == REGISTERED_BEFORE:
                moved += self._orders(rng, actor)
        return formers, moved

    def overlap(self, rng: Random, booked: list[Movement]) -> None:
        """Orders of the backend that the export has as well: it was taken later."""
        for movement in booked:
            early = movement.at < self._window.start + _OVERLAP
            if early and movement.kind == "order" and rng.random() < 0.8:
                self._add(replace(movement, source="history"), "Verkauf", None)

    def told_twice(self, rng: Random) -> list[Event]:
        """The backend's events about the last orders of the old books, written to landing."""
        found = []
        for row in self._rows:
            sale = row.movement
            before = self._window.start - _TOLD_BEFORE <= sale.at < self._window.start
            if row.kind != "Verkauf" or not before or rng.random() > 0.5:
                continue
            user_id = sale.account.user_id
            event = Event(
                event_id=f"evt_{rng.getrandbits(96):024x}",
                source="backend",
                name="order_completed",
                kind="track",
                at=sale.at,
                actor=sale.actor,
                user_id=user_id,
                properties={"items": 1, "plan": "private", "payment": "card"},
                subject={"user_id": user_id},
                money=sale.money,
                fate="quarantined",
                fate_reason=_OUTSIDE,
                why_not="quarantined",
                copies=1,
            )
            received = self._window.start + rng.randint(HOUR, 5 * HOUR)
            self._spool.put("backend", received, wire.server_line(event, received=received))
            found.append(event)
        return found

    def files(self) -> Iterator[LandingFile]:
        """The export, and the events of it: ``copies`` are counted here."""
        months: dict[str, list[_Row]] = defaultdict(list)
        for row in sorted(self._rows, key=lambda row: (row.movement.at, row.event.event_id)):
            months[f"{_local(row.movement.at):%Y-%m}"].append(row)
        names = sorted(months)
        last = f"{moment(self._window.start - DAY):%Y-%m}"
        before = [name for name in names if name < last]
        for name in before:
            yield _file(f"orders-{name}.csv", _csv(months[name]), months[name])
        for name in before[-1:]:
            yield _file(f"orders-{name}-again.csv", _csv(months[name]), months[name])
        rest = [row for name in names if name >= last for row in months[name]]
        if rest:
            yield _file(f"orders-{last}.parquet", _parquet(rest), rest)

    def events(self) -> list[Event]:
        """What the rows should become, once the files are written."""
        return [row.event for row in self._rows]

    def _former(self, rng: Random) -> Actor:
        """Somebody who was a customer once and is known from the old books alone."""
        self._formers += 1
        key = f"x_{self._formers:06d}"
        return Actor(
            key=key,
            role="former",
            country=catalogue.pick_country(rng),
            name="",
            consent=Consent("missing", 0, marketing=False),
            accounts=[Account(f"u_{key}", "", "", "")],
            wants_account_at=None,
            devices=[],
            visits=0,
            signed_up_at=REGISTERED_BEFORE,
        )

    def _orders(self, rng: Random, actor: Actor) -> list[Movement]:
        moved: list[Movement] = []
        account, currency = actor.accounts[0], actor.country.currency
        for _ in range(rng.choices(*_ORDERS)[0]):
            at = self._window.start - rng.randrange(SECOND, _REACH)
            at -= at % SECOND
            bought = [rng.choice(catalogue.PRODUCTS) for _ in range(rng.choice((1, 1, 2, 3)))]
            order_id = "ord_" + "".join(rng.choice(LETTERS) for _ in range(12))
            money = Money(sum(product.cents for product in bought), currency, order_id)
            sale = Movement(actor, account, "order", money, at, "history")
            moved.append(sale)
            self._add(sale, "Verkauf", None)
            back_at = at + rng.randint(3, 12) * DAY
            if rng.random() < 0.08 and back_at < self._window.start:
                extent = rng.choice(("voll", "teilweise"))
                cents = money.cents if extent == "voll" else money.cents // 2
                back = Money(-cents, currency, order_id)
                refund = Movement(actor, account, "refund", back, back_at, "history")
                moved.append(refund)
                self._add(refund, "Erstattung", extent)
        return moved

    def _add(self, movement: Movement, kind: str, extent: str | None) -> None:
        counts = movement.at < self._window.start
        event = Event(
            event_id=f"{movement.money.order_id}/{kind}",
            source="history",
            name="order_completed" if kind == "Verkauf" else "refund_issued",
            kind="track",
            at=movement.at - movement.at % SECOND,
            actor=movement.actor,
            user_id=movement.account.user_id,
            money=movement.money,
            lateness="days",
        )
        if counts:
            event.expected = movement.actor.key
        else:
            event.fate, event.fate_reason, event.why_not = "quarantined", _OUTSIDE, "quarantined"
        self._rows.append(_Row(movement, kind, extent, event))


def _file(name: str, content: bytes, rows: list[_Row]) -> LandingFile:
    for row in rows:
        row.event.copies += 1
    return LandingFile(f"{HISTORY}/{name}", content, len(rows))


def _csv(rows: list[_Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=";")
    writer.writerow(_COLUMNS)
    for row in rows:
        amount = f"{_units(row.movement.money):.2f}".replace(".", ",")
        when = f"{_local(row.movement.at):%d.%m.%Y %H:%M:%S}"
        writer.writerow(
            [
                *(row.movement.money.order_id, row.movement.account.user_id, when, amount),
                *(row.movement.money.currency, row.kind, row.extent or ""),
            ]
        )
    return text.getvalue().encode("cp1252")


def _parquet(rows: list[_Row]) -> bytes:
    columns = {
        "Auftrag": pa.array([row.movement.money.order_id for row in rows]),
        "Kunde": pa.array([row.movement.account.user_id for row in rows]),
        "Datum": pa.array([_local(row.movement.at) for row in rows], pa.timestamp("us")),
        "Betrag": pa.array([_units(row.movement.money) for row in rows], pa.decimal128(12, 2)),
        "Währung": pa.array([row.movement.money.currency for row in rows]),
        "Vorgang": pa.array([row.kind for row in rows]),
        "Umfang": pa.array([row.extent for row in rows], pa.string()),
    }
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


def _local(at: int) -> datetime:
    """The wall clock in Berlin, whole seconds."""
    return moment(at - at % SECOND).astimezone(_ZONE).replace(tzinfo=None)


def _units(money: Money) -> Decimal:
    return Decimal(money.cents).scaleb(-2)
