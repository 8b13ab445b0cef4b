"""Lives: what one person with a few devices does in two months, and all that arrives late or twice.

A life is a world of its own (no identifier is shared with another), so many of them share a home
and one build serves all. Every record carries the step at which it is loaded: mostly in the order
of receipt, some before their time and some long after it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.properties.worlds import SOURCES, START, VARIABLES, record

SPAN = timedelta(days=60)
CURRENCIES = ("EUR", "USD", "CHF", None)
NAMES = ("viewed", "added", "paid", "cancelled", "sign_up", "looked")
LATE = (*[timedelta(0)] * 12, timedelta(hours=1), timedelta(days=1), timedelta(days=9))


def _funnel(name: str, mode: str, window: timedelta, steps: list[dict], **more: object) -> dict:
    kept = {"exclusions": [], "breakdowns": [], "top_breakdowns": 2}
    about = {"name": name, "version": "1", "mode": mode, "steps": steps}
    return about | {"window_seconds": int(window.total_seconds())} | kept | more


def variables(scope: str = "person", max_length_seconds: int | None = None) -> dict:
    """The configuration: every kind of funnel, two believed shops, a zone whose clocks change."""
    viewed, added, paid = ({"event": name} for name in ("viewed", "added", "paid"))
    pro = {"event": "paid", "where": {"properties.plan": "pro"}}
    void = {"event": "cancelled", "after": 1, "before": 2}
    day, week = timedelta(days=1), timedelta(days=7)
    return VARIABLES | {
        "tl_time_zone": "Europe/Berlin",
        "tl_sessions": {
            "timeout_seconds": 1800,
            "scope": scope,
            "max_length_seconds": max_length_seconds,
        },
        "tl_key_events": ["paid"],
        "tl_sign_up_event": "sign_up",
        "tl_features": [
            {"name": "basket", "event": "added", "where": {}, "eligible": None},
            {"name": "pro", **pro, "eligible": {"event": "viewed", "where": {"channel": "direct"}}},
        ],
        # not the smallest of their persons, which become internal when an alias joins them
        "tl_internal_users": ["l0003_u0", *(f"l{number:04}_u1" for number in range(4, 1000, 7))],
        "tl_dimensions": [{"name": "plan", "from": "properties.plan"}],
        "tl_revenue_sources": ["backend", "shop"],
        "tl_funnels": [
            _funnel("buy", "ordered", week, [viewed, added, paid], breakdowns=["surface", "plan"]),
            _funnel(
                "pro", "ordered", day, [viewed, pro], exclusions=[void], breakdowns=["channel"]
            ),
            _funnel("straight", "strict", day, [viewed, added, paid]),
            _funnel("all", "any", week, [viewed, added, viewed]),
        ],
    }


@dataclass
class Loaded:
    """A record and the step that loads it."""

    step: int
    row: dict


@dataclass
class Life:
    """``moves`` of one life, in the order of time; ``steps``: how many loads there are.

    One more comes behind them, with a single correction of each life: what that changes must be
    found by the correction alone. ``number`` says which kind it is; lives in a row have all kinds.
    """

    name: str
    rng: random.Random
    steps: int
    number: int = 0
    loaded: list[Loaded] = field(default_factory=list)
    now: datetime = START
    orders: int = 0

    def live(self, moves: int) -> list[Loaded]:
        """Draw the life; the records come in no order that matters."""
        kinds: list[tuple[int, Callable[[], None]]] = [
            (12, self.visit),
            (3, self.log_in),
            (2, self.log_out),
            (4, self.buy),
            (2, self.refund),
            (2, self.alias),
            (2, self.speak_of_consent),
            (2, self.subscribe),
            (2, self.change_a_row),
            (4, self.arrive_again),
            (4, self.serve),
            (3, self.mend),
        ]
        weights = [weight for weight, _ in kinds]
        for _ in range(moves):
            self.now += SPAN / moves * self.rng.choice([0, 0.02, 0.5, 1, 1, 1, 2])
            self.rng.choices([kind for _, kind in kinds], weights)[0]()
        if self._correction == "spoken":  # seen when it was gone: what it said follows
            self._row("consent", user_id=self._user(), is_deleted=True)
        return self._corrected(self._read_again(self.loaded))

    # --- what happens ---------------------------------------------------------------------------

    def visit(self) -> None:
        """A burst of page views and steps, around the time-out."""
        rng, browser = self.rng, self._browser()
        source = rng.choice(["web", "web", "app"])
        at = self.now - timedelta(days=400) * (rng.random() < 0.05)
        about = {
            "platform": rng.choice(["web", "ios", None]),
            "country": rng.choice(["DE", "FR", None]),
            "utm_source": rng.choice([None, None, "news", "Shopping"]),
            "utm_medium": rng.choice([None, "cpc"]),
            "referrer_host": rng.choice([None, "news.example"]),
            "library": rng.choice([None, "sdk", "sdk", "headless-chrome"]),
            "client_session_id": rng.choice([None, f"{self.name}_s{self.orders}"]),
            "consent_analytics": rng.choice([True, None]),
            "consent_marketing": rng.choice([True, False, None]),
        }
        for number in range(rng.randrange(1, 6)):
            at += timedelta(minutes=rng.choice([0, 0, 1, 5, 29, 30, 31]))
            name = rng.choice(NAMES)
            user = self._user() if rng.random() < 0.15 else None
            kind = rng.choice(["page", "screen", "track"])
            self._add(
                source,
                at,
                event_name=name,
                event_type=kind,
                anonymous_id=browser,
                device_id=rng.choice([None, f"{self.name}_d0"]),
                user_id=user,
                page_path=f"/{number}" if kind == "page" else None,
                screen=f"screen {number % 2}" if kind == "screen" else None,
                properties=json.dumps(
                    {"plan": rng.choice(["pro", "free"]), "scroll_percent": 20 * number}
                ),
                **about,
            )

    def log_in(self) -> None:
        self._add(
            "app", self.now, event_name="log_in", anonymous_id=self._browser(), user_id=self._user()
        )

    def log_out(self) -> None:
        self._add(
            "web", self.now, event_name="logout", event_type="system", anonymous_id=self._browser()
        )

    def buy(self) -> None:
        """A sale, in whatever currency, told by one believed source or both, and by a browser."""
        self.orders += 1
        amount = Decimal(self.rng.randrange(1, 9000)) / 100
        for source in self.rng.choice([("shop",), ("backend",), ("shop", "backend"), ("web",)]):
            who = (
                {"user_id": self._user()} if source != "web" else {"anonymous_id": self._browser()}
            )
            self._add(
                source,
                self.now + timedelta(minutes=self.rng.choice([0, 5])),
                event_name="paid",
                revenue=amount,
                currency=self.rng.choice(CURRENCIES),
                order_id=self.rng.choice([f"{self.name}_o{self.orders}", None]),
                **who,
            )

    def refund(self) -> None:
        order = f"{self.name}_o{self.rng.randrange(self.orders + 1)}"
        money = {"revenue": Decimal("-1.25"), "currency": "USD", "order_id": order}
        who = self.rng.choice([{"user_id": self._user()}, {}])
        self._add("shop", self.now, event_name="refunded", **money, **who)

    def alias(self) -> None:
        """An earlier name, which may be a user's or a browser's."""
        earlier = self.rng.choice([self._user(), self._browser()])
        self._add(
            "backend",
            self.now,
            event_name="alias",
            event_type="alias",
            user_id=self._user(),
            previous_id=earlier,
        )

    def speak_of_consent(self) -> None:
        """An entry of a ledger: it denies, grants or is silent, about a user or a browser."""
        who = self.rng.choice(
            [
                {"user_id": self._user()},
                {"anonymous_id": self._browser()},
                {"device_id": f"{self.name}_d0"},
            ]
        )
        self._row(
            "consent",
            consent_analytics=self.rng.choice([True, False, None]),
            consent_marketing=self.rng.choice([True, False, None]),
            **who,
        )

    def subscribe(self) -> None:
        """A subscription whose end is known beforehand."""
        ends = self.now + timedelta(days=self.rng.choice([-1, 5, 20]))
        self._row("subscription", event_name="subscription_ended", at=ends, user_id=self._user())

    def change_a_row(self) -> None:
        """A row of the customers' table, seen up to three times, perhaps until it is gone."""
        user, number = self._user(), len(self.loaded)
        for version in range(self.rng.randrange(1, 4)):
            self.now += timedelta(hours=7)
            self._row(
                "person",
                number=number,
                user_id=user,
                email_token=f"{self.name}_e{self.rng.randrange(3)}",
                email_verified=True,
                is_deleted=version == 2 and self.rng.random() < 0.5,
            )

    def arrive_again(self) -> None:
        """A copy: alike, different, received earlier, or without legal ground."""
        if not self.loaded:
            return
        first = self.rng.choice(self.loaded)
        if first.row["record_kind"] != "event":
            return
        other = first.row | {"position": len(self.loaded)}
        other["received_at"] += self.rng.choice([-1, 0, 1]) * timedelta(seconds=5)
        if self.rng.random() < 0.5:
            named = self.rng.choice([None, first.row.get("anonymous_id")])
            other |= {"content_digest": "other", "event_name": "viewed", "anonymous_id": named}
        if self.rng.random() < 0.2:
            other |= {"disposition": "stripped", "strip_reason": "missing"}
        self.loaded.append(Loaded(self._later(first), other))

    def serve(self) -> None:
        """What a server says around a visit: it belongs to the session, until it is withdrawn."""
        who = self.rng.choice([{"user_id": self._user()}, {"anonymous_id": self._browser()}])
        at = self.now + timedelta(minutes=self.rng.choice([0, 5, 29, 31, 60]))
        self._add("backend", at, event_name=self.rng.choice(["paid", "looked"]), **who)
        if self.rng.random() < 0.4:
            first = self.loaded[-1]
            again = first.row | WITHDRAWN | {"position": len(self.loaded)}
            self.loaded.append(Loaded(self._later(first), again))

    def mend(self) -> None:
        """An earlier copy of one subject's event, which says some of it otherwise."""
        events = [part for part in self.loaded if part.row["source"] in ("web", "app")]
        if events:
            first = self.rng.choice(events)
            kept = [name for name in MENDED if self.rng.random() < 0.4]
            self.loaded.append(Loaded(self._later(first), self._mended(first.row, kept)))

    def _mended(self, row: dict, names: Sequence[str]) -> dict:
        """An earlier copy of a row, in which only ``names`` are other."""
        before = {"received_at": row["received_at"] - timedelta(seconds=7)}
        copy = {"position": len(self.loaded), "content_digest": "m"}
        return row | before | copy | {name: MENDED[name](self, row) for name in names}

    @property
    def _correction(self) -> str:
        return CORRECTIONS[self.number % len(CORRECTIONS)]

    def _corrected(self, loaded: list[Loaded]) -> list[Loaded]:
        """With the one correction."""
        kind = self._correction
        if kind == "withdrawn":
            of_servers = _of(loaded, "backend", "shop")
            rows = [row | WITHDRAWN for row in of_servers if row["record_kind"] == "event"]
        elif kind == "refunded":  # a refund before the first: another day has the order's first
            rows = [
                record("shop", self.name, 8000, row["occurred_at"] - timedelta(days=2))
                | {name: row[name] for name in ("event_name", "revenue", "currency", "order_id")}
                | {"record_kind": "event", "received_at": row["received_at"]}
                for row in _of(loaded, "shop")
                if row["event_name"] == "refunded"
            ]
        elif kind == "spoken":  # what a deleted entry of the ledger said before
            denied = {"is_deleted": False, "consent_analytics": False, "consent_marketing": False}
            rows = [
                row | denied | {"version_at": row["version_at"] - timedelta(hours=1)}
                for row in _of(loaded, "shop")
                if row["record_kind"] == "consent" and row.get("is_deleted")
            ]
        else:
            rows = [self._mended(row, [kind]) for row in _of(loaded, "web", "app")]
        if not rows:
            return loaded
        row = self.rng.choice(rows) | {"position": len(self.loaded)}
        return [*loaded, Loaded(self.steps, row)]

    def _later(self, first: Loaded) -> int:
        return self.rng.randrange(min(first.step, self.steps - 1), self.steps)

    # --- how it is written ------------------------------------------------------------------------

    def _row(
        self, kind: str, number: int | None = None, at: datetime | None = None, **more: object
    ) -> None:
        self._add(
            "shop",
            at or self.now,
            number=number,
            received=self.now,
            record_kind=kind,
            version_at=self.now,
            **{"event_name": f"{kind}_changed"} | more,
        )

    def _add(
        self,
        source: str,
        at: datetime,
        number: int | None = None,
        received: datetime | None = None,
        **columns: object,
    ) -> None:
        row = record(
            source, self.name, len(self.loaded) if number is None else number, at, **columns
        )
        row |= {"position": len(self.loaded), "content_digest": f"c{len(self.loaded)}"}
        row["record_kind"] = row.get("record_kind", "event")
        row["received_at"] = received or self.now + self.rng.choice(LATE)
        if self.rng.random() < 0.05:  # a clock that runs ahead
            row["received_at"] -= timedelta(hours=20)
        due = int((row["received_at"] - START) / SPAN * self.steps)
        late = self.rng.choice([0] * 10 + [-2, 1, 5, self.steps])
        self.loaded.append(Loaded(min(max(due + late, 0), self.steps - 1), row))

    def _read_again(self, loaded: list[Loaded]) -> list[Loaded]:
        """Now and then a file is read from its start again, and judged anew."""
        if self.rng.random() > 0.3:
            return loaded
        when = self.rng.randrange(1, self.steps)
        again = []
        for part in loaded:
            row = part.row | {"generation": 2}
            if self.rng.random() < 0.2:
                row |= {"properties": json.dumps({"plan": "judged again"})}
                row |= self.rng.choice([{}, {"country": "AT"}])
            if self.rng.random() < 0.1:
                row |= {"disposition": "stripped", "strip_reason": "denied"}
            again.append(Loaded(max(part.step, when), row))
        return [part for part in loaded if part.step < when] + again

    def _browser(self) -> str:
        return f"{self.name}_a{self.rng.randrange(3)}"

    def _user(self) -> str:
        return f"{self.name}_u{self.rng.choice([0, 0, 0, 1, 2])}"


WITHDRAWN = {"disposition": "stripped", "strip_reason": "denied"}
# What an earlier copy can say otherwise.
MENDED: dict[str, Callable[[Life, dict], object]] = {
    "occurred_at": lambda life, row: (
        row["occurred_at"] + timedelta(minutes=life.rng.choice([-40, 1, 2000]))
    ),
    "is_interactive": lambda _, row: not row["is_interactive"],
    "client_session_id": lambda life, _: f"{life.name}_mended",
    "utm_source": lambda *_: "partner",
    "country": lambda *_: "AT",
    "app_version": lambda *_: "9.0",
    "consent_marketing": lambda _, row: not row.get("consent_marketing"),
    "event_name": lambda *_: "sign_up",
    "page_path": lambda *_: "/mended",
    "properties": lambda *_: json.dumps({"plan": "mended", "scroll_percent": 70}),
}
CORRECTIONS = ("withdrawn", "spoken", "refunded", *MENDED)


def _of(loaded: Sequence[Loaded], *sources: str) -> list[dict]:
    """What was last read of these sources."""
    last = max((part.row.get("generation", 1) for part in loaded), default=1)
    rows = [part.row for part in loaded if part.row["source"] in sources]
    return [row for row in rows if row.get("generation", 1) == last]


END = START + SPAN + timedelta(days=90)  # behind every life


def come_again(name: str) -> list[dict]:
    """A last visit of a life, at which funnels begin: its windows and session are open then. A
    server speaks of it as of the day after, in no session, and says so at once: the data do not
    reach that day."""
    about = {"event_name": "viewed", "event_type": "page", "page_path": "/"}
    visit = record("web", name, 9000, END, anonymous_id=f"{name}_a0", **about)
    later = record("backend", name, 9001, END + timedelta(days=1), user_id=f"{name}_u0")
    later |= {"received_at": visit["received_at"]}
    return [row | {"record_kind": "event"} for row in (visit, later)]


def passed(by: timedelta = timedelta(days=30)) -> list[dict]:
    """One record of every source, long after all lives: nothing happens but that time has passed.

    Somebody of their own sends them, so no life is touched; windows close and sessions end.
    """
    rows = []
    for number, source in enumerate(SOURCES):
        row = record(source, "later", number, END + by, user_id="later_u0")
        rows.append(row | {"position": number, "record_kind": "event"})
    return rows


def interrupted() -> tuple[list[dict], list[dict]]:
    """Two steps of the strict funnel; and what somebody did between them, which ends the attempt
    and is no step of any funnel. Told later it changes nothing but what comes next."""
    about = {"event_type": "track", "anonymous_id": "between_a0", "device_class": "mobile"}
    # before all lives: how far the data reach is theirs to say
    at = [START + timedelta(minutes=minute) for minute in (0, 20, 10)]
    rows = [
        record("web", "between", number, when, event_name=name, **about)
        | {"position": number, "record_kind": "event"}
        for number, (name, when) in enumerate(
            zip(("viewed", "added", "looked"), at, strict=True), start=1
        )
    ]
    return rows[:2], rows[2:]


def rates(step: int) -> list[dict]:
    """The whole file as it is at a step: days get their rate late, and one is corrected."""
    days = [date(2026, 3, 25) + timedelta(days=number) for number in range(90)]
    known = days[: 10 + 5 * step]
    return [
        {"date": day, "currency": currency, "rate": Decimal(rate) + Decimal(step // 7) / 100}
        for day in known
        for currency, rate in (("USD", "0.91"), ("CHF", "1.04"))
        if currency == "USD" or day.day % 5
    ]
