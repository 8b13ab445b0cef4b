"""Write the sample company: people -> what they do -> how it arrives -> landing and the truth.

The same (persons, days, seed, start) gives the same bytes. People are generated a household at a
time and lines are sorted through a spool, so memory hardly grows with the number of events.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, mkdtemp

from governance.errors import UsageError, UserError
from governance.home import Home
from governance.progress import Progress, silent
from ingestion.sample.backend import Backend, stock_counts
from ingestion.sample.clock import DAY, HOUR, Window, window_of
from ingestion.sample.company import install_company
from ingestion.sample.delivery import Delivery
from ingestion.sample.devices import kiosk_visit, personal_log, shared_log
from ingestion.sample.events import Event, Movement
from ingestion.sample.history import History
from ingestion.sample.payments import Provider
from ingestion.sample.people import (
    Actor,
    Device,
    Household,
    households,
    kiosk,
    visit_times,
    withdrawal,
)
from ingestion.sample.shop import FILE as SHOP_FILE
from ingestion.sample.shop import SHOP, Shop, write_sqlite
from ingestion.sample.spool import LandingFile, Spool
from ingestion.sample.truth import TruthWriter, truth_writer

DEFAULT_PERSONS = 1_700
DEFAULT_START = date(2026, 4, 1)
EDITION = 2
"""Of what a sample consists of: one with the same seed but of an earlier edition is another."""

_KIOSK_VISITORS = 45
_SHARED_ADDRESS_USERS = 75  # more than identity.hub_limit
_CLAIMS = 8
_LONGEST_VISIT = 4 * HOUR
_MANIFEST = "landing.txt"
_SHOP_NAME = f"../{SHOP_FILE}"  # in the manifest, whose names are relative to landing
_SOURCES = ("backend", "history", "mobile", "payments", "web")


# Takes what was done on a device and the money spent there.
_Keep = Callable[[list[Event], Device, list[Movement]], None]


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What was written: ``events`` are distinct, ``records`` count every copy in landing."""

    persons: int
    events: int
    records: int
    lines: int
    files: int
    bytes: int


def write_sample(
    home: Home,
    *,
    persons: int = DEFAULT_PERSONS,
    days: int = 30,
    seed: int = 7,
    start: date = DEFAULT_START,
    progress: Progress = silent,
) -> SampleReport:
    """Write landing files, the history, the shop's database, and the truth about them.

    Files of an earlier sample are replaced. A home without ``throughline.yml`` gets the sample
    company's.

    Raises:
        UsageError: for fewer than one person or three days.
        UserError: when landing holds files that no sample wrote.
    """
    if persons < 1 or days < 3:
        raise UsageError(
            f"A sample of {persons} persons over {days} days is empty.",
            fix="Ask for at least 1 person and 3 days.",
        )
    install_company(home)
    earlier = _earlier_files(home)
    home.truth.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=".spool-", dir=home.truth))
    try:
        spool = Spool(scratch)
        with truth_writer(scratch / "truth") as truth:
            cast = _played(_Cast(seed, window_of(start, days), spool, truth), persons, progress)
            exported = list(cast.history.files())
            cast.close()
        files = chain(spool.files(), exported)
        lines, paths, size = _write_landing(home, files, earlier, progress)
        write_sqlite(cast.shop, home.root / SHOP_FILE)
        for path in sorted((scratch / "truth").iterdir()):
            path.replace(home.truth / path.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return SampleReport(cast.people, cast.events, cast.records, lines, paths, size)


def forget_sample(home: Home) -> None:
    """Remove what was read of an earlier sample's database: the next one has other rows."""
    shutil.rmtree(home.landing / SHOP, ignore_errors=True)


def sample_shop(
    *,
    persons: int = DEFAULT_PERSONS,
    days: int = 30,
    seed: int = 7,
    start: date = DEFAULT_START,
) -> Shop:
    """The shop of ``write_sample`` with the same arguments, to fill any database with."""
    with TemporaryDirectory() as scratch, truth_writer(Path(scratch) / "truth") as truth:
        spool = Spool(Path(scratch))
        return _played(_Cast(seed, window_of(start, days), spool, truth), persons, silent).shop


def _played(cast: _Cast, persons: int, progress: Progress) -> _Cast:
    """The whole company, played to the end."""
    for household in households(persons, cast.seed, cast.window):
        cast.play(household)
        progress("people", cast.people, persons)
    cast.play_stock()
    return cast


class _Cast:
    """Plays households one after another and remembers the few things that cross them."""

    def __init__(self, seed: int, window: Window, spool: Spool, truth: TruthWriter) -> None:
        self.seed = seed
        self.window = window
        self.shop = Shop(window)
        self.history = History(spool, window)
        self.people = 0
        self.events = 0
        self.records = 0
        self._number = 0
        self._truth = truth
        self._spool = spool
        self._provider = Provider(spool, window)
        self._stock_rng = Random(f"{seed}/stock")  # noqa: S311  # a sample, not a secret
        self._kiosk = kiosk(seed)
        self._kiosk_visitors = 0
        self._shared_address_users = 0
        self._claims = 0
        self._last_user: str | None = None

    def play(self, household: Household) -> None:
        """Everything the members do, delivered and put on record."""
        rng, delivery = household.rng, Delivery(household.rng, self._spool, self.window)
        # apart, so that what the shop does besides changes nothing on the devices
        office = Random(f"{self.seed}/{self._number}/office")  # noqa: S311  # a sample, not a secret
        self._withdraw(office, household)
        orders: dict[str, list[Movement]] = {actor.key: [] for actor in household.members}
        events: list[Event] = []

        def keep(done: list[Event], device: Device, movements: list[Movement]) -> None:
            delivery.device(done, device)
            events.extend(done)
            for movement in movements:
                orders[movement.actor.key].append(movement)

        for actor in household.members:
            self._play_own_devices(rng, actor, keep)
        if household.shared:
            log = shared_log(rng, household.shared, self._shared_visits(rng, household))
            keep(log.events, household.shared, log.movements)
        for actor in household.members:
            self._play_kiosk(rng, actor, keep)
        for actor in household.members:
            backend = Backend(rng, actor, self.window)
            backend.report(orders[actor.key], uses_shared_address=self._names_support(actor))
            delivery.server(sorted(backend.events, key=lambda event: event.at))
            events += backend.events
            events += self._keep_books(office, actor, backend.booked)
            if actor.signed_up_at is not None:
                self._last_user = actor.accounts[0].user_id
        self._truth.household(self._number, household, self._kiosk.key)
        formers, moved = self.history.play(office, household)
        self._truth.household(self._number, Household(office, formers), self._kiosk.key)
        self._truth.purchases(moved)
        self._record(events + delivery.faulty)
        self._number += 1
        self.people += len(household.members)

    def play_stock(self) -> None:
        """The system's own events."""
        events = stock_counts(self._stock_rng, self.window)
        delivery = Delivery(self._stock_rng, self._spool, self.window)
        delivery.server(events)
        office = Random(f"{self.seed}/office")  # noqa: S311  # a sample, not a secret
        events += self._provider.balances(office) + self.history.told_twice(office)
        self._record(events + delivery.faulty)

    def close(self) -> None:
        """Put the history on record, once its files are made."""
        self._record(self.history.events())

    def _withdraw(self, rng: Random, household: Household) -> None:
        if household.shared is not None:
            return
        busy = [self._kiosk_opening(slot) for slot in range(1, _KIOSK_VISITORS + 1)]
        for actor in household.members:
            actor.withdrawal = withdrawal(rng, actor, self.window, busy)

    def _keep_books(self, rng: Random, actor: Actor, booked: list[Movement]) -> list[Event]:
        """Money and customers as the others see them: the provider, the database, the old books."""
        self._truth.purchases(booked)
        self.history.overlap(rng, booked)
        return self._provider.report(rng, booked) + self.shop.play(rng, actor, booked)

    def _record(self, events: list[Event]) -> None:
        self._truth.events(events)
        self.events += len(events)
        self.records += sum(event.copies for event in events)

    def _play_own_devices(self, rng: Random, actor: Actor, keep: _Keep) -> None:
        last = self.window.end - _LONGEST_VISIT
        for index, device in enumerate(actor.devices):
            count = max(1, round(actor.visits * (1.0, 0.7, 0.3)[index]))
            starts = visit_times(rng, actor.country, count, self.window.start, last)
            if device.offline_until is not None:
                early = self.window.start - rng.randint(3, 90) * DAY
                before = self.window.start - _LONGEST_VISIT
                starts = visit_times(rng, actor.country, rng.randint(2, 5), early, before) + starts
            log = personal_log(
                rng,
                actor,
                device,
                starts,
                signs_up_here=index == 0,
                victim=self._victim(rng, actor, device),
            )
            keep(log.events, device, log.movements)

    def _victim(self, rng: Random, actor: Actor, device: Device) -> str | None:
        """Now and then somebody's browser claims to be the customer next door."""
        if self._claims >= _CLAIMS or self._last_user is None or not actor.accounts:
            return None
        able = device.source == "web" and actor.consent.choice == "granted"
        if not able or rng.random() > 0.1:
            return None
        self._claims += 1
        return self._last_user

    def _shared_visits(self, rng: Random, household: Household) -> list[tuple[int, Actor]]:
        last = self.window.end - _LONGEST_VISIT
        visits = [
            (at, actor)
            for actor in household.members
            for at in visit_times(
                rng, actor.country, 1 + actor.visits // 2, self.window.start, last
            )
        ]
        return sorted(visits, key=lambda visit: (visit[0], visit[1].key))

    def _play_kiosk(self, rng: Random, actor: Actor, keep: _Keep) -> None:
        """Each visitor has a slot of the terminal's time to themselves."""
        willing = actor.role == "customer" and actor.consent.choice == "granted"
        if not willing or self._kiosk_visitors >= _KIOSK_VISITORS or rng.random() > 0.5:
            return
        self._kiosk_visitors += 1
        actor.kiosk_slot = self._kiosk_visitors
        start = self._kiosk_opening(actor.kiosk_slot)
        visit = kiosk_visit(rng, actor, self._kiosk, start)
        keep(visit.events, self._kiosk, visit.movements)

    def _kiosk_opening(self, slot: int) -> int:
        open_for = self.window.end - self.window.start - DAY
        return self.window.start + open_for * slot // (_KIOSK_VISITORS + 1)

    def _names_support(self, actor: Actor) -> bool:
        able = actor.is_business and actor.signed_up_at is not None
        if not able or self._shared_address_users >= _SHARED_ADDRESS_USERS:
            return False
        self._shared_address_users += 1
        return True


def _earlier_files(home: Home) -> set[str]:
    """The landing files an earlier sample wrote; all that is there must be among them."""
    manifest = home.truth / _MANIFEST
    ours = set(manifest.read_text(encoding="utf-8").split()) if manifest.exists() else set()
    found = {_SHOP_NAME: home.root / SHOP_FILE}
    for source in _SOURCES:
        for path in sorted((home.landing / source).rglob("*")):
            found[path.relative_to(home.landing).as_posix()] = path
    for name, path in found.items():
        if path.is_file() and name not in ours and not name.endswith(".part"):
            raise UserError(
                f"{path} was not written by a sample.",
                why=f"A sample replaces {SHOP_FILE} and what landed of {', '.join(_SOURCES)}.",
                fix="Use another home: throughline --home DIR synth",
            )
    return ours


def _write_landing(
    home: Home, files: Iterator[LandingFile], earlier: set[str], progress: Progress
) -> tuple[int, int, int]:
    """Write the files whole, one by one; returns lines, files and bytes on disk."""
    lines = size = 0
    written = [_SHOP_NAME]
    manifest = home.truth / _MANIFEST
    with manifest.open("a", encoding="utf-8") as names:
        names.write(_SHOP_NAME + "\n")
        for file in files:
            target = home.landing / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            # On record before it exists: a sample that is killed can be written again.
            names.write(file.path + "\n")
            names.flush()
            part = target.with_name(target.name + ".part")
            part.write_bytes(file.content)
            part.replace(target)
            written.append(file.path)
            lines += file.lines
            size += len(file.content)
            progress("landing files", len(written) - 1)
    for name in sorted(earlier - set(written)):
        (home.landing / name).unlink(missing_ok=True)
    manifest.write_text("\n".join(written) + "\n", encoding="utf-8")
    return lines, len(written) - 1, size
