"""Who did each event, decided by plain loops from the written rules; no code of the models.

An identifier is a pair (kind, value). A person is named by the strongest identifier of its group, a
device on its own by the strongest of its device identifiers: that identifier is the *root*.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import combinations, pairwise
from typing import NamedTuple

Identifier = tuple[str, str]
Pair = tuple[Identifier, Identifier]  # the stronger one first

PRIORITY = {"user_id": 1, "external": 2, "email": 3, "phone": 4, "anonymous_id": 5, "device_id": 6}
NOBODY = {"undefined", "null", "guest", "factory-id"}
ENDINGS = ("logout", "reset")


class Statement(NamedTuple):
    """One line of the overrides."""

    action: str  # link | unlink | reset
    a: Identifier
    b: Identifier
    author: str = "ann"
    reason: str = "asked"
    stated_at: datetime = datetime(2026, 4, 20)


@dataclass
class Node:
    """What became of an identifier."""

    rule: str
    is_set_aside: bool
    root: Identifier | None
    first_seen_at: datetime
    last_seen_at: datetime
    events: int


@dataclass
class Proof:
    """One row of evidence; ``reasons`` are all that speak against it."""

    is_used: bool
    reasons: set[str]
    first_seen_at: datetime
    last_seen_at: datetime
    event_keys: set[str] = field(default_factory=set)
    first_keys: set[str] = field(default_factory=set)


@dataclass
class Answer:
    """By event_key: ``events`` (root or None, rule), ``devices`` (root of the device)."""

    events: dict[str, tuple[Identifier | None, str]]
    devices: dict[str, Identifier | None]
    kiosks: set[Identifier]
    nodes: dict[Identifier, Node]
    evidence: dict[tuple, Proof]
    links: dict[Pair, bool]  # link overrides that count, and whether they hold


@cache
def priority(identifier: Identifier) -> int:
    return PRIORITY[identifier[0].split(":")[0]]


@cache
def strength(identifier: Identifier) -> tuple[int, str, str]:
    return (priority(identifier), *identifier)


@cache
def is_nobody(identifier: Identifier) -> bool:
    return identifier[1].lower() in NOBODY or re.fullmatch("[0-]+", identifier[1]) is not None


def ordered(a: Identifier, b: Identifier) -> Pair:
    return (a, b) if strength(a) <= strength(b) else (b, a)


def components(nodes: Iterable[Identifier], edges: Iterable[Pair]) -> list[set[Identifier]]:
    """Flood fill."""
    neighbours = defaultdict(set)
    for a, b in edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    seen: set[Identifier] = set()
    found = []
    for node in nodes:
        if node in seen:
            continue
        members: set[Identifier] = set()
        todo = [node]
        while todo:
            here = todo.pop()
            if here not in members:
                members.add(here)
                todo.extend(neighbours[here])
        seen |= members
        found.append(members)
    return found


def winners(records: list[dict]) -> list[dict]:
    """Of the copies of one event the one that counts; none where a copy may not be used."""
    copies = defaultdict(list)
    for record in records:
        copies[record["event_key"]].append(record)
    chosen = []
    for same in copies.values():
        if any(r.get("disposition") == "stripped" and not r.get("is_deleted") for r in same):
            continue
        versions = [r for r in same if r.get("version_at") is not None]
        if versions:
            best = max(versions, key=lambda r: r["version_at"])
        else:
            best = min(same, key=lambda r: (r["received_at"], r["source"], r["position"]))
        if not best.get("is_deleted"):
            chosen.append(best)
    return chosen


class Names:
    """Which identifiers an event names."""

    def __init__(self, events: list[dict]) -> None:
        self._as_user = {
            e["user_id"] for e in events if e.get("user_id") and e["trust"] != "public"
        }
        self._as_device = {e["anonymous_id"] for e in events if e.get("anonymous_id")}

    def aliases_a_device(self, event: dict) -> bool:
        previous = event.get("previous_id") if event["event_type"] == "alias" else None
        if not previous:
            return False
        if event["trust"] == "public":
            return True
        return previous in self._as_device and previous not in self._as_user

    def of(self, event: dict) -> set[Identifier]:
        trusted = event["trust"] != "public"
        names = set()
        if event.get("user_id"):
            names.add(("user_id", event["user_id"]))
        for space, value in (event.get("external") or {}).items():
            names.add((f"external:{space}", value))
        if event.get("email_token") and event.get("email_verified") and trusted:
            names.add(("email", event["email_token"]))
        if event.get("phone_token"):
            names.add(("phone", event["phone_token"]))
        anonymous = event.get("anonymous_id")
        previous = event.get("previous_id") if event["event_type"] == "alias" else None
        if previous and not self.aliases_a_device(event):
            names.add(("user_id", previous))
        elif previous and (trusted or anonymous is None):
            names.add(("anonymous_id", previous))
        if anonymous:
            names.add(("anonymous_id", anonymous))
        if event.get("device_id"):
            names.add(("device_id", event["device_id"]))
        return names

    def claims(self, event: dict) -> set[Identifier]:
        """Those that may say whose event it is: an alias's earlier name gives way to its own."""
        earlier = event.get("previous_id")
        if event["event_type"] != "alias" or not earlier:
            return self.of(event)
        own = dict(event, previous_id=None)
        kind = "anonymous_id" if self.aliases_a_device(event) else "user_id"
        return self.of(own) if event.get(kind) else self.of(event)

    def is_sent_by_its_device(self, event: dict) -> bool:
        """A trusted alias of a device stands for the device."""
        if event["surface"] != "backend":
            return True
        return event["trust"] != "public" and self.aliases_a_device(event)


def standing(statements: Iterable[Statement]) -> tuple[set[Pair], set[Pair]]:
    """(links, unlinks): of one pair the last line counts."""
    last: dict[Pair, str] = {}
    for statement in statements:
        last[ordered(statement.a, statement.b)] = statement.action
    links = {pair for pair, action in last.items() if action == "link"}
    return links, {pair for pair, action in last.items() if action == "unlink"}


class _Graph:
    """Groups of identifiers, and whom each group belongs to."""

    def __init__(
        self,
        names: dict[str, set[Identifier]],
        trusts: dict[str, bool],
        statements: Iterable[Statement],
        hub_limit: int,
    ) -> None:
        self.links, self.unlinks = standing(statements)
        self.seen: set[Identifier] = set().union(*names.values()) if names else set()
        self.trusted: set[Pair] = set()  # of persons, or of devices, by a trusted source
        devices: set[Pair] = set()  # by anyone
        for key, named in names.items():
            usable = sorted((n for n in named if not is_nobody(n)), key=strength)
            for pair in combinations(usable, 2):
                low = priority(pair[0]) >= 5, priority(pair[1]) >= 5
                if low == (True, True):
                    devices.add(pair)
                if low in ((True, True), (False, False)) and trusts[key]:
                    self.trusted.add(pair)
        counterparts = defaultdict(set)
        for a, b in self.trusted:
            counterparts[a].add(b)
            counterparts[b].add(a)
        self.hubs = {n for n, others in counterparts.items() if len(others) > hub_limit}

        self.proofs = {p for p in self.trusted if not self._is_left_out(p)}
        claimed = {b for a, b in self.proofs if (priority(a), priority(b)) == (1, 2)}
        by_hand = {pair for pair in self.links if not any(map(is_nobody, pair))}
        for together in components({end for pair in by_hand for end in pair}, by_hand):
            if any(priority(node) == 1 for node in together):
                claimed |= together
        self.edges = {p for p in devices if not self._is_left_out(p)}
        for a, b in self.proofs:
            levels = priority(a), priority(b)
            if levels == (1, 1) or (levels == (2, 2) and a not in claimed and b not in claimed):
                self.edges.add((a, b))
        self.contested: set[Identifier] = set()
        self.group: dict[Identifier, frozenset] = {}
        self._solve()
        self.held = {(a, b) for a, b in self.links if self.group[a] is self.group[b]}
        self.linked = {end for pair in self.held for end in pair}
        self.out = {
            n: "null_like" if is_nobody(n) else "hub"
            for n in self.seen
            if is_nobody(n) or (n in self.hubs and len(self.group[n]) == 1)
        }
        self.root: dict[Identifier, Identifier] = {}  # of what is not set aside
        self.rule: dict[frozenset, str] = {}
        self._join()

    def _is_left_out(self, pair: Pair) -> bool:
        return pair in self.unlinks or pair[0] in self.hubs or pair[1] in self.hubs

    def _holds_a_never(self, members: set[Identifier]) -> bool:
        return any(a in members and b in members for a, b in self._unlinks_at(members))

    def _unlinks_at(self, members: Iterable[Identifier]) -> set[Pair]:
        return set().union(*(self._unlinks_of.get(n, ()) for n in members))

    def _solve(self) -> None:
        self._unlinks_of: dict[Identifier, set[Pair]] = defaultdict(set)
        for pair in self.unlinks:
            for end in pair:
                self._unlinks_of[end].add(pair)
        everything = set(self.seen)
        for pair in self.links:
            everything |= set(pair)
        for members in components(everything, self.edges | self.links):
            if not self._holds_a_never(members):
                self._keep(members)
                continue
            self.contested |= members
            inside = {p for p in self.links if p[0] in members}
            for part in components(members, inside):
                if self._holds_a_never(part):
                    for node in part:
                        self._keep({node})
                else:
                    self._keep(part)

    def _keep(self, members: set[Identifier]) -> None:
        group = frozenset(members)
        for node in group:
            self.group[node] = group

    def _join(self) -> None:
        alive = {g for n, g in self.group.items() if n not in self.out}
        beside = defaultdict(set)
        for a, b in self.proofs:
            beside[a].add(b)
            beside[b].add(a)
        self.beside = beside
        by_level = defaultdict(list)
        for group in alive:
            by_level[priority(top(group))].append(group)
        self.held_by: dict[Identifier, set[Identifier]] = defaultdict(set)
        for level in (1, 5, 6):
            for group in by_level[level]:
                self._settle(group, top(group), "group")
        for level in (2, 3, 4):
            joined: dict[frozenset, Identifier] = {}
            for group in by_level[level]:
                roots = self.roots_above(group)
                self.rule[group] = ("own", "joined", "conflict")[min(len(roots), 2)]
                if len(roots) == 1:
                    joined[group] = next(iter(roots))
            for a, b in self.unlinks:
                one, two = self.group.get(a), self.group.get(b)
                if (
                    one in joined
                    and two in joined
                    and one is not two
                    and joined[one] == joined[two]
                ):
                    self.rule[max(one, two, key=lambda g: strength(top(g)))] = "never_link"
            for group in by_level[level]:
                if self.rule[group] in ("own", "joined"):
                    self._settle(group, joined.get(group, top(group)), self.rule[group])

    def _settle(self, group: frozenset, root: Identifier, rule: str) -> None:
        self.rule[group] = rule
        self.held_by[root] |= group
        for node in group:
            self.root[node] = root

    def roots_above(self, group: frozenset) -> set[Identifier]:
        level = priority(top(group))
        roots = {
            self.root[other]
            for member in group
            for other in self.beside[member]
            if priority(other) < level and other in self.root
        }
        return {root for root in roots if not self.is_never(root, group, level)}

    def is_never(self, root: Identifier, group: frozenset, level: int) -> bool:
        """The root holds, as resolved above the level, what must never meet a member."""
        for a, b in self._unlinks_at(group):
            for mine, other in ((a, b), (b, a)):
                if mine in group and other in self.held_by[root]:
                    above = priority(top(self.group[other])) < level
                    if above:
                        return True
        return False

    def rule_of(self, node: Identifier) -> str:
        group = self.group[node]
        if node in self.out:
            return self.out[node]
        if self.rule[group] in ("conflict", "never_link"):
            return self.rule[group]
        if node in self.linked:
            return "linked"
        if priority(top(group)) == 1:
            if priority(node) > 1:
                return "joined"
            return "user" if node == top(group) else "alias"
        if priority(top(group)) >= 5:
            return "device"
        return self.rule[group]

    def judge(self, pair: Pair, is_trusted: bool) -> tuple[bool, set[str]]:
        """Whether a piece of evidence is used, and all that speaks against it.

        It is used where it may join and both ends stand for one person, or are one device.
        """
        a, b = pair
        against = set()
        if is_nobody(a) or is_nobody(b):
            against.add("null_like")
        if priority(a) <= 4 < priority(b):
            against.add("interval")
        elif priority(a) <= 4 and not is_trusted:
            against.add("untrusted")
        if pair in self.unlinks:
            against.add("never_link")
        if "hub" in (self.out.get(a), self.out.get(b)):
            against.add("hub")
        if against:
            return False, against
        if a in self.root and b in self.root:
            if self.root[a] == self.root[b]:
                return True, set()
            against.add("overruled")
        against |= {"hub" for end in pair if end in self.hubs}
        against |= {"contested" for end in pair if end in self.contested}
        against |= {self.rule[self.group[end]] for end in pair if end not in self.root}
        return False, against


def top(group: Iterable[Identifier]) -> Identifier:
    return min(group, key=strength)


def resolve(
    records: list[dict],
    hub_limit: int,
    kiosk_limit: int,
    gap: timedelta,
    statements: Iterable[Statement] = (),
) -> Answer:
    events = winners(records)
    naming = Names(events)
    names = {e["event_key"]: naming.of(e) for e in events}
    trusts = {e["event_key"]: e["trust"] != "public" for e in events}
    graph = _Graph(names, trusts, statements, hub_limit)

    known: dict[str, Identifier | None] = {}
    device: dict[str, Identifier | None] = {}
    for event in events:
        key = event["event_key"]
        usable = sorted((n for n in naming.claims(event) if n in graph.root), key=strength)
        persons = [graph.root[n] for n in usable if priority(n) <= 4]
        carried = [graph.root[n] for n in usable if priority(n) >= 5]
        known[key] = persons[0] if persons else None
        device[key] = carried[0] if carried else None

    result: dict[str, tuple[Identifier | None, str]] = {}
    kiosks = set()
    by_device = defaultdict(list)
    for event in events:
        key = event["event_key"]
        own = device[key]
        if own is None:
            result[key] = (known[key], "direct" if known[key] else "none")
        else:
            by_device[own].append(event)
    for own, mine in by_device.items():
        placed, is_kiosk = place_on_device(own, mine, known, naming, kiosk_limit, gap)
        result |= placed
        if is_kiosk:
            kiosks.add(own)
    links = {pair: pair in graph.held and pair[0] in graph.root for pair in graph.links}
    return Answer(
        result, device, kiosks, _nodes(events, names, graph), _evidence(events, names, graph), links
    )


def place_on_device(
    own: Identifier,
    mine: list[dict],
    known: dict[str, Identifier | None],
    naming: Names,
    kiosk_limit: int,
    gap: timedelta,
) -> tuple[dict[str, tuple[Identifier | None, str]], bool]:
    """The events of one device between its log-ins, and whether it is a kiosk."""

    def place(event: dict) -> tuple:
        key = event["event_key"]
        rank = 2 if is_ending(event) else 0 if known[key] else 1
        return (event["occurred_at"], rank, event["event_id"], key)

    result: dict[str, tuple[Identifier | None, str]] = {}
    mine = sorted(mine, key=place)
    sent = [e for e in mine if naming.is_sent_by_its_device(e)]
    anchors = [e for e in sent if known[e["event_key"]]]
    kiosk = len({known[e["event_key"]] for e in anchors}) > kiosk_limit
    for event in mine:
        key = event["event_key"]
        if known[key]:
            result[key] = (known[key], "direct")
            continue
        before = [e for e in anchors if place(e) < place(event)]
        after = [e for e in anchors if place(e) > place(event)]
        a = known[before[-1]["event_key"]] if before else None
        b = known[after[0]["event_key"]] if after else None
        logged_out = paused = False
        if before:
            since = place(before[-1])
            logged_out = any(is_ending(e) and since <= place(e) < place(event) for e in sent)
            steps = [e for e in sent if since <= place(e) < place(event)] + [event]
            paused = any(y["occurred_at"] - x["occurred_at"] > gap for x, y in pairwise(steps))
        if kiosk:
            carry = a is not None and not logged_out and not paused
            result[key] = (a, "carry") if carry else (own, "kiosk")
        elif a is None and b is None:
            result[key] = (own, "anonymous")
        elif a is None:
            result[key] = (b, "backfill")
        elif b is None:
            result[key] = (own, "anonymous") if logged_out else (a, "carry")
        elif a == b:
            result[key] = (a, "rejoin" if logged_out else "carry")
        elif logged_out:
            result[key] = (b, "logout_to_next")
        elif paused:
            result[key] = (b, "gap_to_next")
        else:
            result[key] = (a, "carry")
    return result, kiosk


def is_ending(event: dict) -> bool:
    return event["event_type"] == "system" and event["event_name"] in ENDINGS


def _nodes(
    events: list[dict], names: dict[str, set[Identifier]], graph: _Graph
) -> dict[Identifier, Node]:
    nodes: dict[Identifier, Node] = {}
    for event in events:
        at = event["occurred_at"]
        for name in names[event["event_key"]]:
            node = nodes.get(name)
            if node is None:
                root = graph.root.get(name)
                node = nodes[name] = Node(graph.rule_of(name), root is None, root, at, at, 0)
            node.first_seen_at = min(node.first_seen_at, at)
            node.last_seen_at = max(node.last_seen_at, at)
            node.events += 1
    return nodes


def _evidence(
    events: list[dict], names: dict[str, set[Identifier]], graph: _Graph
) -> dict[tuple, Proof]:
    proofs: dict[tuple, Proof] = {}
    for event in events:
        at, key = event["occurred_at"], event["event_key"]
        trusted = event["trust"] != "public"
        kind = "event" if event.get("record_kind", "event") == "event" else "row"
        for pair in combinations(sorted(names[key], key=strength), 2):
            where = (*pair, kind, event["source"], trusted)
            proof = proofs.get(where)
            if proof is None:
                proof = proofs[where] = Proof(*graph.judge(pair, trusted), at, at)
            if at < proof.first_seen_at or not proof.first_keys:
                proof.first_keys = set()
            proof.first_seen_at = min(proof.first_seen_at, at)
            proof.last_seen_at = max(proof.last_seen_at, at)
            proof.event_keys.add(key)
            if at == proof.first_seen_at:
                proof.first_keys.add(key)
    return proofs


def sessions(events: list[dict], person_of: dict, timeout: timedelta) -> dict[str, str | None]:
    """event_key -> event_key of the first event of its session, by one walk per person."""
    mine = defaultdict(list)
    for event in events:
        if person_of[event["event_key"]] is not None:
            mine[person_of[event["event_key"]]].append(event)
    found: dict[str, str | None] = {e["event_key"]: None for e in events}
    for history in mine.values():
        history.sort(key=lambda e: (e["occurred_at"], e["event_id"], e["event_key"]))
        bursts: list[list[dict]] = []
        for event in (e for e in history if e["is_interactive"]):
            if bursts and event["occurred_at"] - bursts[-1][-1]["occurred_at"] <= timeout:
                bursts[-1].append(event)
            else:
                bursts.append([event])
        for burst in bursts:
            for event in burst:
                found[event["event_key"]] = burst[0]["event_key"]
        for event in (e for e in history if not e["is_interactive"]):
            for burst in bursts:
                if (
                    burst[0]["occurred_at"]
                    <= event["occurred_at"]
                    <= burst[-1]["occurred_at"] + timeout
                ):
                    found[event["event_key"]] = burst[0]["event_key"]
    return found
