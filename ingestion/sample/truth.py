"""What really happened, written apart as Parquet; the pipeline never reads it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.sample import rates
from ingestion.sample.events import Event, Movement
from ingestion.sample.people import REGISTERED_BEFORE, Actor, Household

TIME = pa.timestamp("us")

EVENTS = pa.schema(
    [
        ("source", pa.string()),
        ("event_id", pa.string()),  # the producer's; of rows the table and the key
        ("event_name", pa.string()),
        ("actor", pa.string()),  # who did it; null for system events
        ("device", pa.string()),
        ("stated_user_id", pa.string()),  # what the wire carries, right or wrong
        ("occurred_at", TIME),  # true time, UTC
        ("disposition", pa.string()),  # of the first copy: accepted | stripped | quarantined
        ("disposition_reason", pa.string()),
        ("copies", pa.int32()),  # in landing, the first included
        ("conflicts", pa.int32()),  # copies of other content, after the first
        ("lateness", pa.string()),  # prompt | minutes | hours | days | offline
        ("decidable", pa.bool_()),
        ("undecidable_reason", pa.string()),
        (
            "expected_person",
            pa.string(),
        ),  # an actor, or a device its user never named; null: undecidable
        ("quirk", pa.string()),
        ("order_id", pa.string()),
        ("is_bot", pa.bool_()),
        ("record_kind", pa.string()),  # event | person | consent | order
    ]
)
ACTORS = pa.schema(
    [
        ("actor", pa.string()),
        ("household", pa.int32()),
        ("role", pa.string()),  # former: known from the history alone
        ("user_ids", pa.list_(pa.string())),
        ("signed_up_at", TIME),  # null: never, or before the window
        ("registered_before", pa.bool_()),
        ("merges_accounts", pa.bool_()),
        ("consent", pa.string()),
        ("consent_changes_at", TIME),
        ("withdrawn_from", TIME),  # a no that only the ledger of the shop knows
        ("withdrawn_until", TIME),
        ("devices", pa.list_(pa.string())),
        ("expected", pa.list_(pa.string())),  # per device: merged | anonymous | shared | kiosk
    ]
)
PURCHASES = pa.schema(
    [
        ("actor", pa.string()),
        ("order_id", pa.string()),
        (
            "source",
            pa.string(),
        ),  # who is believed about it: history before the window, else backend
        ("kind", pa.string()),  # order | renewal | refund
        ("amount", pa.decimal128(18, 2)),  # negative for refunds
        ("currency", pa.string()),
        ("occurred_at", TIME),
        ("rate", pa.decimal128(18, 8)),  # of the reporting day; null when there is none
        ("amount_reporting", pa.decimal128(18, 6)),
    ]
)

README = """What really happened in the sample company: the answers, which the pipeline never reads.

events.parquet     one row per event: who did it, when, what becomes of its first copy, and the
                   person it must end with (`expected_person`), or why no rule could tell
                   (`undecidable_reason`)
                   An event is a record of any source: also a row of the shop's database, whose id
                   lacks the digest of its version
actors.parquet     one row per person or bot: accounts, devices, consent
purchases.parquet  one row per order, renewal and refund, with the rate of its day and the source
                   that is believed about it; what other sources say of it is in events.parquet
landing.txt        the files of this sample, so that a later run replaces exactly these

Right means: all decidable events with one `expected_person` share one person_id, and no person_id
has decidable events of two.
"""

_CHUNK = 50_000

# Values in the order of the schema; times are milliseconds since 1970.
_Row = tuple[Any, ...]


class TruthWriter:
    """Streams rows into the three tables."""

    def __init__(self, folder: Path) -> None:
        self._writers = {
            name: pq.ParquetWriter(folder / f"{name}.parquet", schema)
            for name, schema in (("events", EVENTS), ("actors", ACTORS), ("purchases", PURCHASES))
        }
        self._rows: dict[str, list[_Row]] = {name: [] for name in self._writers}

    def events(self, events: Iterable[Event]) -> None:
        """Record events after their delivery."""
        self._add("events", map(_event_row, events))

    def household(self, number: int, household: Household, kiosk_key: str) -> None:
        """Record the people of a household."""
        self._add(
            "actors", (_actor_row(number, a, household, kiosk_key) for a in household.members)
        )

    def purchases(self, movements: Iterable[Movement]) -> None:
        """Record money that changed hands."""
        self._add("purchases", map(_purchase_row, movements))

    def close(self) -> None:
        """Write what is left."""
        for name, writer in self._writers.items():
            self._flush(name)
            writer.close()

    def _add(self, name: str, rows: Iterable[_Row]) -> None:
        self._rows[name] += rows
        if len(self._rows[name]) >= _CHUNK:
            self._flush(name)

    def _flush(self, name: str) -> None:
        writer, rows = self._writers[name], self._rows[name]
        if rows:
            columns = zip(writer.schema, zip(*rows, strict=True), strict=True)
            writer.write_table(pa.table([_array(f, v) for f, v in columns], schema=writer.schema))
        rows.clear()


@contextmanager
def truth_writer(folder: Path) -> Iterator[TruthWriter]:
    """A writer into ``folder``, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README").write_text(README, encoding="utf-8")
    writer = TruthWriter(folder)
    try:
        yield writer
    finally:
        writer.close()


def _array(field: pa.Field, values: Iterable[Any]) -> pa.Array:
    if field.type != TIME:
        return pa.array(list(values), field.type)
    return pa.array(list(values), pa.int64()).cast(pa.timestamp("ms")).cast(TIME)


def _event_row(event: Event) -> _Row:
    actor = event.actor
    return (
        event.source,
        event.event_id,
        event.name,
        actor.key if actor else None,
        event.device.key if event.device else None,
        event.user_id,
        event.at,
        event.fate,
        event.fate_reason,
        event.copies,
        event.conflicts,
        event.lateness,
        event.expected is not None,
        event.why_not,
        event.expected,
        event.quirk,
        event.money.order_id if event.money else None,
        actor is not None and actor.role == "bot",
        event.record_kind,
    )


def _actor_row(number: int, actor: Actor, household: Household, kiosk_key: str) -> _Row:
    joined = actor.signed_up_at
    devices = [device.key for device in actor.devices]
    expected = list(actor.device_outcomes)
    if household.shared:
        devices.append(household.shared.key)
        expected.append("shared")
    if actor.kiosk_slot is not None:
        devices.append(kiosk_key)
        expected.append("kiosk")
    changes = actor.consent.choice in ("withdrawn", "granted_late")
    return (
        actor.key,
        number,
        actor.role,
        [account.user_id for account in actor.accounts] if joined is not None else [],
        None if joined == REGISTERED_BEFORE else joined,
        joined == REGISTERED_BEFORE,
        actor.merges_accounts,
        actor.consent.choice,
        actor.consent.changes_at if changes else None,
        actor.withdrawal.since if actor.withdrawal else None,
        actor.withdrawal.until if actor.withdrawal else None,
        devices,
        expected,
    )


def _purchase_row(movement: Movement) -> _Row:
    money = movement.money
    amount = Decimal(money.cents).scaleb(-2)
    rate = rates.rate_at(movement.at, money.currency)
    return (
        movement.actor.key,
        money.order_id,
        movement.source,
        movement.kind,
        amount,
        money.currency,
        movement.at,
        rate,
        None if rate is None else amount * rate,
    )
