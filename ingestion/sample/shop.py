"""The shop's own database, in German as its makers wrote it: customers, orders, consents.

::

    kunden (persons) <- kunden_nr - bestellungen (orders)
           <- benutzer_id - einwilligungen (consents): the ledger; support writes into it as well

Times are those of a wall clock in Berlin. The same rows go into any database SQLAlchemy knows, as
they stood at any moment: addresses change, orders are paid back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from ingestion.sample.clock import DAY, HOUR, Window, moment
from ingestion.sample.events import Event, Money, Movement
from ingestion.sample.people import REGISTERED_BEFORE, Account, Actor

SHOP = "shop"
FILE = "sources/shop.sqlite"
ZONE = ZoneInfo("Europe/Berlin")

_MOVED_HOUSE = 90 * DAY  # before the window: when the shop took this database into use
_FIRST_NUMBER = 1000

_tables = sa.MetaData()
_kunden = sa.Table(
    "kunden",
    _tables,
    sa.Column("kunden_nr", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("benutzer_id", sa.String(200), nullable=False),
    sa.Column("name", sa.String(200)),
    sa.Column("email", sa.String(200)),
    sa.Column("telefon", sa.String(40)),
    sa.Column("land", sa.String(2)),
    sa.Column("zahlungs_kunde", sa.String(40)),
    sa.Column("passwort_hash", sa.String(80)),
    sa.Column("geaendert_am", sa.DateTime, nullable=False),
)
_bestellungen = sa.Table(
    "bestellungen",
    _tables,
    sa.Column("bestell_nr", sa.String(40), primary_key=True),
    sa.Column("kunden_nr", sa.Integer, nullable=False),
    sa.Column("bestellt_am", sa.DateTime, nullable=False),
    sa.Column("betrag", sa.Numeric(12, 2), nullable=False),
    sa.Column("waehrung", sa.String(3), nullable=False),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("erstattet", sa.Numeric(12, 2)),
    sa.Column("erstattet_am", sa.DateTime),
    sa.Column("geaendert_am", sa.DateTime, nullable=False),
)
_einwilligungen = sa.Table(
    "einwilligungen",
    _tables,
    sa.Column("lfd_nr", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("benutzer_id", sa.String(200), nullable=False),
    sa.Column("analyse", sa.String(4), nullable=False),
    sa.Column("werbung", sa.String(4), nullable=False),
    sa.Column("weg", sa.String(20), nullable=False),
    sa.Column("gueltig_ab", sa.DateTime, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Customer:
    """An account as the shop keeps it; the address changes at ``moved_at`` (ms), if ever."""

    number: int
    account: Account
    actor: Actor
    since: int
    new_email: str | None
    moved_at: int | None


@dataclass(frozen=True, slots=True)
class Order:
    """An order, and what was given back."""

    customer: Customer
    sale: Movement
    refund: Movement | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: what a customer agreed to from ``at`` (ms) on."""

    number: int
    customer: Customer
    analytics: bool
    marketing: bool
    told: str
    at: int


class Shop:
    """What is in the shop's tables over time."""

    def __init__(self, window: Window) -> None:
        self.customers: list[Customer] = []
        self.orders: list[Order] = []
        self.entries: list[Entry] = []
        self._window = window

    def play(self, rng: Random, actor: Actor, booked: list[Movement]) -> list[Event]:
        """Keep the books of one person; returns what of it should become of which event."""
        if actor.signed_up_at is None:
            return []
        known = {account.user_id: self._register(rng, actor, account) for account in actor.accounts}
        found = [_person(customer) for customer in known.values()]
        for customer in known.values():
            found += [_consent(entry) for entry in self._agree(customer)]
        refunds = {m.money.order_id: m for m in booked if m.kind == "refund"}
        for sale in booked:
            if sale.kind == "order":
                refund = refunds.get(sale.money.order_id)
                order = Order(known[sale.account.user_id], sale, refund)
                self.orders.append(order)
                found += _order(order)
        return found

    def write(self, engine: sa.Engine, *, until: int | None = None) -> None:
        """Fill a database with the rows as they stood at ``until`` (ms), or at the end.

        Tables of these names are replaced.
        """
        end = self._window.end if until is None else until
        with engine.begin() as connection:
            _tables.drop_all(connection)
            _tables.create_all(connection)
            for table, rows in (
                (_kunden, self._customer_rows(end)),
                (_bestellungen, self._order_rows(end)),
                (_einwilligungen, self._entry_rows(end)),
            ):
                listed = list(rows)
                if listed:
                    connection.execute(sa.insert(table), listed)

    def _register(self, rng: Random, actor: Actor, account: Account) -> Customer:
        joined = actor.signed_up_at
        assert joined is not None
        if joined == REGISTERED_BEFORE:
            joined = self._window.start - _MOVED_HOUSE + rng.randrange(DAY)
        number = _FIRST_NUMBER + len(self.customers)
        new_email, moved_at = None, None
        if rng.random() < 0.06:
            name, _, domain = account.email.partition("@")
            new_email = f"{name}.new@{domain}"
            moved_at = max(joined, self._window.start) + HOUR
            moved_at += rng.randrange(max(1, self._window.end - moved_at))
            if moved_at >= self._window.end:
                new_email, moved_at = None, None
        customer = Customer(number, account, actor, joined, new_email, moved_at)
        self.customers.append(customer)
        return customer

    def _agree(self, customer: Customer) -> Iterator[Entry]:
        """Who said yes is in the ledger; who said no, or nothing, was never entered."""
        consent, withdrawal = customer.actor.consent, customer.actor.withdrawal
        if consent.choice != "granted":
            return
        yield self._enter(customer, yes=True, told="portal", at=customer.since)
        if withdrawal is not None:
            yield self._enter(customer, yes=False, told="telefon", at=withdrawal.since)
            if withdrawal.until is not None:
                yield self._enter(customer, yes=True, told="telefon", at=withdrawal.until)

    def _enter(self, customer: Customer, *, yes: bool, told: str, at: int) -> Entry:
        marketing = yes and customer.actor.consent.marketing
        entry = Entry(len(self.entries) + 1, customer, yes, marketing, told, at)
        self.entries.append(entry)
        return entry

    def _customer_rows(self, end: int) -> Iterator[dict[str, Any]]:
        for customer in self.customers:
            if customer.since >= end:
                continue
            account, actor = customer.account, customer.actor
            yield {
                "kunden_nr": customer.number,
                "benutzer_id": account.user_id,
                "name": actor.name,
                "email": customer.new_email if _has_moved(customer, end) else account.email,
                "telefon": account.phone,
                "land": actor.country.code,
                "zahlungs_kunde": account.customer_id,
                "passwort_hash": f"$2b$12${customer.number:022d}",
                "geaendert_am": _berlin(_changed_at(customer, end)),
            }

    def _order_rows(self, end: int) -> Iterator[dict[str, Any]]:
        for order in self.orders:
            sale, refund = order.sale, order.refund
            if sale.at >= end:
                continue
            if refund is not None and refund.at >= end:
                refund = None
            yield {
                "bestell_nr": sale.money.order_id,
                "kunden_nr": order.customer.number,
                "bestellt_am": _berlin(sale.at),
                "betrag": _units(sale.money),
                "waehrung": sale.money.currency,
                "status": "bezahlt" if refund is None else "erstattet",
                "erstattet": None if refund is None else -_units(refund.money),
                "erstattet_am": None if refund is None else _berlin(refund.at),
                "geaendert_am": _berlin(sale.at if refund is None else refund.at),
            }

    def _entry_rows(self, end: int) -> Iterator[dict[str, Any]]:
        for entry in self.entries:
            if entry.at < end:
                yield {
                    "lfd_nr": entry.number,
                    "benutzer_id": entry.customer.account.user_id,
                    "analyse": "ja" if entry.analytics else "nein",
                    "werbung": "ja" if entry.marketing else "nein",
                    "weg": entry.told,
                    "gueltig_ab": _berlin(entry.at),
                }


def write_sqlite(shop: Shop, path: Path) -> None:
    """The database of the demo: one file, replaced as a whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    engine = sa.create_engine(f"sqlite:///{part}", poolclass=sa.NullPool)
    shop.write(engine)
    engine.dispose()
    part.replace(path)


def _has_moved(customer: Customer, end: int) -> bool:
    return customer.moved_at is not None and customer.moved_at < end


def _changed_at(customer: Customer, end: int) -> int:
    moved_at = customer.moved_at
    return moved_at if moved_at is not None and moved_at < end else customer.since


def _berlin(at: int) -> datetime:
    """Without a zone: whoever reads it has to know."""
    return moment(at).astimezone(ZONE).replace(tzinfo=None)


def _units(money: Money) -> Decimal:
    return Decimal(money.cents).scaleb(-2)


# What the rows should become, for the truth. An event's id is the table and the key, in JSON; the
# versions of a person and of an agreement have a digest behind it, which nobody knows beforehand.


def _person(customer: Customer) -> Event:
    at = customer.since if customer.moved_at is None else customer.moved_at
    return _row(f'kunden:["{customer.number}"]', "identify", "identify", at, customer, "person")


def _consent(entry: Entry) -> Event:
    event_id = f'einwilligungen:["{entry.number}"]'
    return _row(event_id, "consent_updated", "system", entry.at, entry.customer, "consent")


def _order(order: Order) -> Iterator[Event]:
    """A sale and its refund; where nothing was given back the second record gives no event."""
    sale, refund = order.sale, order.refund
    event_id = f'bestellungen:["{sale.money.order_id}"]'
    sold = _row(event_id, "order_completed", "track", sale.at, order.customer, "order")
    sold.money, sold.user_id = sale.money, None
    yield sold
    at = sale.at if refund is None else refund.at
    back = _row(f"{event_id}:1", "order_refunded", "track", at, order.customer, "order")
    back.user_id = None
    if refund is None:
        back.expected, back.why_not = None, "no_event"
    else:
        back.money = refund.money
    yield back


def _row(
    event_id: str, name: str, kind: str, at: int, customer: Customer, stands_for: Any
) -> Event:
    actor = customer.actor
    event = Event(
        event_id=event_id,
        source="shop",
        name=name,
        kind=kind,
        at=at,
        actor=actor,
        user_id=customer.account.user_id,
        record_kind=stands_for,
        copies=1,
    )
    if customer.account is actor.accounts[0] or actor.merges_accounts:
        event.expected = actor.key
    else:
        event.why_not = "second_account_never_merged"
    return event
