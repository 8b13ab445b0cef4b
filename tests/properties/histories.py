"""Histories: what a few people do one step after the other, with every turn identity can take.

A history is drawn as a sequence of moves over a small state (who is logged in where, which links
were stated), like a state machine's run. The same history can be drawn under any name: the names
have one length, so nothing but the names differs, and the copies can be compared.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from tests.properties.identity_oracle import Identifier, Pair, Statement, ordered
from tests.properties.worlds import START, record

USERS, BROWSERS, ADDRESSES, NUMBERS = 5, 3, 3, 2


@dataclass
class History:
    """``statements``: the overrides in the order of their lines."""

    name: str
    records: list[dict] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)


class _Run:
    """One run: ``moves`` are drawn by weight; each adds records or statements."""

    def __init__(self, name: str, rng: random.Random) -> None:
        self.history = History(name)
        self._name, self._rng = name, rng
        self._now = START
        self._user_of: dict[str, str] = {}
        self._stated: list[Pair] = []
        self._orders = 0
        self._moves: list[tuple[int, Callable[[], None]]] = [
            (10, self.browse),
            (6, self.log_in),
            (4, self.log_out),
            (2, self.alias_an_account),
            (2, self.alias_a_browser),
            (3, self.borrow_a_device),
            (4, self.report_from_the_server),
            (3, self.change_a_row),
            (2, self.change_an_order),
            (1, self.make_a_hub),
            (2, self.deliver_twice),
            (3, self.state),
            (1, self.take_back),
        ]

    def play(self, moves: int) -> History:
        weights = [weight for weight, _ in self._moves]
        for _ in range(moves):
            self._now += timedelta(minutes=self._rng.choice([0, 1, 5, 29, 30, 31, 45, 600]))
            self._rng.choices([move for _, move in self._moves], weights)[0]()
        return self.history

    def browse(self) -> None:
        browser = self._browser()
        said = self._user_of.get(browser) if self._rng.random() < 0.3 else None
        self._add("web", anonymous_id=browser, user_id=said)

    def log_in(self) -> None:
        browser, user = self._browser(), self._user()
        self._user_of[browser] = user
        source = self._rng.choice(["web", "app"])
        self._add(source, event_name="log_in", anonymous_id=browser, user_id=user)

    def log_out(self) -> None:
        browser = self._browser()
        self._user_of.pop(browser, None)
        ending = self._rng.choice(["logout", "reset"])
        self._add("web", event_name=ending, event_type="system", anonymous_id=browser)

    def alias_an_account(self) -> None:
        self._alias(self._user())

    def alias_a_browser(self) -> None:
        self._alias(self._browser())

    def _alias(self, previous: str) -> None:
        source = self._rng.choice(["backend", "app", "web"])
        columns = {"event_name": "alias", "event_type": "alias", "previous_id": previous}
        self._add(source, **columns, user_id=self._user())

    def borrow_a_device(self) -> None:
        device = self._one("d", 2)
        self._add("app", anonymous_id=self._browser(), device_id=device, user_id=self._user())

    def report_from_the_server(self) -> None:
        user = self._user() if self._rng.random() < 0.5 else None
        self._add("backend", user_id=user, **self._traits(), external=self._externals())

    def change_a_row(self) -> None:
        user, gone = self._user(), self._rng.random() < 0.1
        columns = {} if gone else {"user_id": user, **self._traits(), "external": self._externals()}
        self._add_row("person", "identify", is_deleted=gone, **columns)

    def change_an_order(self) -> None:
        """The latest version counts alone: what older ones named is forgotten."""
        key = self._add_row("order", "track", user_id=self._user(), **self._traits())
        for _ in range(self._rng.randrange(3)):
            self._now += timedelta(minutes=1)
            gone = {"is_deleted": True} if self._rng.random() < 0.2 else {}
            subject = {} if gone else {"user_id": self._user(), **self._traits()}
            self._add_row("order", "track", **subject, **gone, **key)

    def make_a_hub(self) -> None:
        number = self._one("p", NUMBERS)
        for user in range(USERS):
            self._add("backend", user_id=f"{self._name}_u{user}", phone_token=number)

    def deliver_twice(self) -> None:
        """A second copy of the last event that names somebody else, received before or after."""
        events = [r for r in self.history.records if "version_at" not in r]
        if not events:
            return
        first = events[-1]
        copy = first | {"position": len(self.history.records), "user_id": self._user()}
        copy["received_at"] = first["received_at"] + self._rng.choice([-1, 1]) * timedelta(
            seconds=5
        )
        if self._rng.random() < 0.2:
            copy["disposition"] = "stripped"
        self.history.records.append(copy)

    def state(self) -> None:
        pair = self._pair()
        self._stated.append(pair)
        self._say(self._rng.choice(["link", "link", "unlink"]), pair)

    def take_back(self) -> None:
        if self._stated:
            self._say("reset", self._rng.choice(self._stated))

    def _say(self, action: str, pair: Pair) -> None:
        said = self.history.statements
        said.append(Statement(action, *pair, stated_at=START + timedelta(minutes=len(said))))

    def _pair(self) -> Pair:
        while True:
            a, b = self._identifier(), self._identifier()
            if a != b and (a[0] in ("anonymous_id", "device_id")) == (
                b[0] in ("anonymous_id", "device_id")
            ):
                return ordered(a, b)

    def _identifier(self) -> Identifier:
        kind, letter, count = self._rng.choice(
            [
                ("user_id", "u", USERS),
                ("user_id", "u", USERS),
                ("email", "e", ADDRESSES),
                ("phone", "p", NUMBERS),
                ("external:crm", "c", 2),
                ("anonymous_id", "a", BROWSERS),
                ("device_id", "d", 2),
            ]
        )
        return kind, self._one(letter, count)

    def _one(self, letter: str, count: int) -> str:
        return f"{self._name}_{letter}{self._rng.randrange(count)}"

    def _user(self) -> str:
        return self._one("u", USERS)

    def _browser(self) -> str:
        return self._one("a", BROWSERS)

    def _traits(self) -> dict:
        traits: dict[str, object] = {}
        if self._rng.random() < 0.6:
            traits |= {"email_token": self._one("e", ADDRESSES), "email_verified": True}
        if self._rng.random() < 0.3:
            traits["phone_token"] = self._one("p", NUMBERS)
        return traits

    def _externals(self) -> dict:
        return {"crm": self._one("c", 2)} if self._rng.random() < 0.3 else {}

    def _add(self, source: str, **columns: object) -> dict:
        """The record; of several in one instant the time tells them apart."""
        records = self.history.records
        at = self._now + timedelta(microseconds=len(records) % 2)
        records.append(record(source, self._name, len(records), at, **columns))
        return records[-1]

    def _add_row(self, kind: str, event_type: str, **columns: object) -> dict:
        """What makes another version of the row the same event."""
        row = self._add(
            "shop",
            record_kind=kind,
            event_name=f"{kind}_changed",
            event_type=event_type,
            version_at=self._now + timedelta(seconds=len(self.history.records)),
            **columns,
        )
        return {"event_id": row["event_id"], "event_key": row["event_key"]}


def draw(name: str, seed: int, moves: int) -> History:
    """The history of ``seed`` under ``name``."""
    return _Run(name, random.Random(seed)).play(moves)


@dataclass(frozen=True, slots=True)
class Arrival:
    """When a part of a history arrives: the number of the load, from 0."""

    step: int
    part: dict | Statement


def arrive(history: History, steps: int, rng: random.Random) -> list[Arrival]:
    """The same history in another order and other loads.

    The lines of the overrides keep their order, because the last one counts; before them come
    others, which are taken back or overruled by what the history says in the end.
    """
    arrivals = [Arrival(rng.randrange(steps), row) for row in history.records]
    rng.shuffle(arrivals)
    lines = history.statements
    at = sorted(rng.randrange(steps) for _ in lines)
    said = [Arrival(step, line) for step, line in zip(at, lines, strict=True)]
    for pair in dict.fromkeys(ordered(line.a, line.b) for line in lines):
        if rng.random() < 0.5:
            first = next(s for s in said if ordered(s.part.a, s.part.b) == pair)
            action = rng.choice(["link", "unlink", "reset"])
            early = Arrival(rng.randrange(first.step + 1), first.part._replace(action=action))
            said.insert(0, early)
    said.sort(key=lambda arrival: arrival.step)
    return arrivals + said


def as_json(history: History) -> str:
    """For a failure's message."""
    shown = ("segment", "position", "external_ids", "surface", "is_interactive", "event_key")
    rows = [{k: v for k, v in r.items() if v and k not in shown} for r in history.records]
    said = [[s.action, s.a, s.b] for s in history.statements]
    return "\n".join(json.dumps(line, default=str) for line in (*rows, *said))
