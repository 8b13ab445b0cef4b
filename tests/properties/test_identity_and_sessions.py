"""Identity and sessions equal a plain-loop oracle on thousands of small worlds (see worlds.py)."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import timedelta

import duckdb
import pytest

from governance.home import Home
from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Between
from orchestration.explain.reading import Published
from orchestration.explain.reasons import Reasons
from orchestration.explain.statements import Statements
from orchestration.explain.two import explain_two
from tests.properties import identity_oracle as oracle
from tests.properties.warehouse import MODELS, build, make_home, write_raw
from tests.properties.worlds import (
    GAP,
    HUB_LIMIT,
    KIOSK_LIMIT,
    VARIABLES,
    World,
    random_world,
    raw_overrides,
    raw_rows,
)

WANTED = (
    "fct_events",
    "fct_sessions",
    "bridge_identities",
    "bridge_identity_evidence",
    "dim_persons",
    "dim_devices",
)
RULES = {
    "direct",
    "carry",
    "rejoin",
    "backfill",
    "logout_to_next",
    "gap_to_next",
    "anonymous",
    "kiosk",
    "none",
}
NODE_RULES = {
    "user",
    "alias",
    "linked",
    "joined",
    "own",
    "device",
    "conflict",
    "never_link",
    "hub",
    "null_like",
}
SAID_OF_A_DEVICE = ("surface", "platform", "app_version", "device_class")
EXPLAINED = 0.006  # for each world: pairs of one world, and as many of one person or device
SHOWN = 5  # worlds of which the differences are printed


@dataclass(frozen=True)
class Built:
    worlds: list[World]
    records: list[dict]
    answer: oracle.Answer
    home: Home

    def rows(self, question: str) -> list[tuple]:
        with duckdb.connect(str(self.home.warehouse), read_only=True) as con:
            return con.execute(question).fetchall()

    def roots(self) -> dict[str, oracle.Identifier]:
        """person_id -> what it was made from."""
        rows = self.rows(
            "select distinct person_id, root_kind, root_value from intermediate.int_identity_nodes"
            " where person_id is not null"
        )
        return {person: (kind, value) for person, kind, value in rows}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((10_000, 20260401), id="10000"),
        pytest.param((40_000, 20260402), id="40000", marks=pytest.mark.long),
    ],
)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    number, seed = request.param
    rng = random.Random(seed)
    worlds = [random_world(f"w{n:05}", rng) for n in range(number)]
    records = [record for world in worlds for record in world.records]
    said = [line for world in worlds for line in world.statements]
    root = tmp_path_factory.mktemp("identity")
    home = make_home(root / "home")
    write_raw(home, raw_rows(records), overrides=raw_overrides(said))
    selected = [f"+{name}" for name in WANTED]
    build(home, VARIABLES, *MODELS, "-s", *selected, target=root / "target")
    answer = oracle.resolve(records, HUB_LIMIT, KIOSK_LIMIT, GAP, said)
    return Built(worlds, records, answer, home)


def fail_with(built: Built, differences: list[tuple[str, str]]) -> None:
    """``differences``: (identifier or event_id of the world it happened in, what is different)."""
    if not differences:
        return
    by_world: dict[str, list[str]] = {}
    for place, difference in differences:
        by_world.setdefault(place[:6], []).append(difference)
    worlds = {world.name: world for world in built.worlds}
    smallest = sorted(by_world, key=lambda n: len(worlds[n].records) if n in worlds else 0)
    lines = [f"{len(differences)} differences in {len(by_world)} worlds"]
    for name in smallest[:SHOWN]:
        lines += ["", *by_world[name]]
        if name in worlds:
            lines += [f"  {shown(r)}" for r in worlds[name].records]
            lines += [f"  {s.action} {s.a} {s.b}" for s in worlds[name].statements]
    pytest.fail("\n".join(lines))


def shown(record: dict) -> str:
    hidden = {"segment", "position", "external_ids", "surface", "is_interactive", "event_key"}
    columns = {k: str(v) for k, v in record.items() if v not in (None, {}) and k not in hidden}
    if columns["received_at"] == columns["occurred_at"]:
        del columns["received_at"]
    return " ".join(f"{k}={v}" for k, v in columns.items())


def test_person_and_rule_of_every_event_equal_the_oracle(built: Built) -> None:
    rows = built.rows("select event_key, event_id, person_id, identity_rule from marts.fct_events")
    root_of = built.roots()
    assert len(set(root_of.values())) == len(root_of)
    got = {key: (root_of.get(person), rule) for key, _, person, rule in rows}
    assert len(got) == len(rows)
    assert got.keys() == built.answer.events.keys()
    fail_with(
        built,
        [
            (event_id, f"{event_id}: {got[key]}, expected {built.answer.events[key]}")
            for key, event_id, _, _ in rows
            if got[key] != built.answer.events[key]
        ],
    )
    assert {rule for _, rule in got.values()} == RULES


def test_what_became_of_every_identifier_equals_the_oracle(built: Built) -> None:
    rows = built.rows(
        "select kind, value, rule, is_set_aside, root_kind, root_value, first_seen_at,"
        " last_seen_at, events from intermediate.int_identity_nodes"
    )
    got = {
        (kind, value): oracle.Node(rule, aside, (a, b) if a else None, first, last, events)
        for kind, value, rule, aside, a, b, first, last, events in rows
    }
    assert len(got) == len(rows)
    differences = [
        (identifier[1], f"{identifier}: {got.get(identifier)}, expected {node}")
        for identifier, node in built.answer.nodes.items()
        if got.get(identifier) != node
    ]
    # what only an override names has never been seen
    unseen = got.keys() - built.answer.nodes.keys()
    named = {end for pair in built.answer.links for end in pair}
    assert unseen <= named
    differences += [(n[1], f"{n}: seen {got[n]}") for n in unseen if got[n].events]
    fail_with(built, differences)
    assert {node.rule for node in built.answer.nodes.values()} == NODE_RULES


def test_used_and_set_aside_evidence_equals_the_oracle(built: Built) -> None:
    rows = built.rows(
        "select higher_kind, higher_value, lower_kind, lower_value, evidence, source, is_trusted,"
        " is_used, set_aside_reason, first_seen_at, last_seen_at, events, example_event_key"
        " from marts.bridge_identity_evidence where evidence in ('event', 'row')"
    )
    got = {((a, b), (c, d), kind, *rest[:2]): rest[2:] for a, b, c, d, kind, *rest in rows}
    assert len(got) == len(rows)
    differences = [
        (where[0][1], f"{where}: {got.get(where)}, expected {proof}")
        for where, proof in built.answer.evidence.items()
        if where not in got or not is_the_same(got[where], proof)
    ]
    differences += [
        (where[0][1], f"{where}: {got[where]}, expected none")
        for where in got.keys() - built.answer.evidence.keys()
    ]
    fail_with(built, differences)
    reasons = Counter(reason for _, reason, *_ in got.values())
    assert reasons.keys() >= {None, "untrusted", "null_like", "hub", "conflict", "interval"}
    assert reasons.keys() >= {"never_link", "contested"}


def is_the_same(row: list, proof: oracle.Proof) -> bool:
    used, reason, first, last, events, example = row
    if used is not proof.is_used or (reason is not None and reason not in proof.reasons):
        return False
    if used is (reason is not None):
        return False
    seen = proof.first_seen_at, proof.last_seen_at, len(proof.event_keys)
    return (first, last, events) == seen and example in proof.first_keys


def test_an_override_is_evidence_that_is_used_where_it_holds(built: Built) -> None:
    rows = built.rows(
        "select higher_kind, higher_value, lower_kind, lower_value, is_used"
        " from marts.bridge_identity_evidence where evidence = 'link'"
    )
    got = {((a, b), (c, d)): used for a, b, c, d, used in rows}
    fail_with(
        built,
        [
            (pair[0][1], f"{pair}: {got.get(pair)}, expected {holds}")
            for pair, holds in built.answer.links.items()
            if got.get(pair) is not holds
        ],
    )
    assert got.keys() == built.answer.links.keys()
    assert set(got.values()) == {True, False}


def test_used_evidence_joins_what_is_one_and_nothing_else(built: Built) -> None:
    """So that there always is a path of it, and that of no other."""
    used = [
        ((a, b), (c, d))
        for a, b, c, d in built.rows(
            "select higher_kind, higher_value, lower_kind, lower_value"
            " from marts.bridge_identity_evidence where is_used and evidence <> 'unlink'"
        )
    ]
    seen = built.answer.nodes
    counting = [identifier for identifier, node in seen.items() if not node.is_set_aside]
    one = defaultdict(set)
    for identifier in counting:
        one[seen[identifier].root].add(identifier)
    # what only an override names joins those it is linked with, and was never seen
    joined = {frozenset(g & seen.keys()) for g in oracle.components(counting, used)}
    expected = {frozenset(group) for group in one.values()}
    fail_with(
        built,
        [(min(g)[1], f"joined, and not one: {sorted(g)}") for g in joined - expected]
        + [(min(g)[1], f"one, and not joined: {sorted(g)}") for g in expected - joined],
    )


def test_what_joins_two_or_keeps_them_apart_is_explained(built: Built) -> None:
    """As ``throughline explain A B`` answers it."""
    rng = random.Random(20260403)
    worlds, persons = defaultdict(list), defaultdict(list)
    for identifier, node in sorted(built.answer.nodes.items()):
        worlds[identifier[1][:6]].append(identifier)
        if not node.is_set_aside:
            persons[node.root].append(identifier)
    number = round(EXPLAINED * len(built.worlds))
    pairs = [
        rng.sample(each, 2)
        for groups in (worlds, persons)
        for each in rng.sample([each for each in groups.values() if len(each) > 1], number)
    ]
    differences, told = [], Counter()
    with duckdb.connect(str(built.home.warehouse), read_only=True) as con:
        published = Published(con, "of the test")
        said = Statements(published, [])
        for a, b in pairs:
            answer = explain_two(
                published, Reasons(published), said, NamedIdentifier(*a), NamedIdentifier(*b)
            )
            wrong = wrong_in(built.answer, a, b, answer)
            differences += [(a[1], f"{a}, {b}: {each}: {answer.verdict}") for each in wrong]
            told[answer.is_same, min(len(answer.path), 2)] += 1
    fail_with(built, differences)
    # by one piece and by several; apart by what was set aside, and never named together
    assert all(told[case] > 5 for case in ((True, 1), (True, 2), (False, 0), (False, 1))), told


def wrong_in(
    expected: oracle.Answer, a: oracle.Identifier, b: oracle.Identifier, answer: Between
) -> list[str]:
    """What of an explanation is not so, by the oracle and by its own evidence."""
    one, other = expected.nodes[a], expected.nodes[b]
    is_same = not one.is_set_aside and not other.is_set_aside and one.root == other.root
    wrong = []
    if answer.is_same is not is_same:
        wrong.append(f"said to be {'one' if answer.is_same else 'apart'}")
    if is_same and not answer.path:
        wrong.append("nothing joins them")
    if not is_same and answer.path and all(step.evidence.is_used for step in answer.path):
        wrong.append("apart, and nothing on the way is set aside")
    here = NamedIdentifier(*a)
    for step in answer.path:
        if step.start != here or {step.start, step.end} != set(step.evidence.ends):
            wrong.append(f"a gap before {step}")
        if step.evidence.is_used is (step.why is not None) or (is_same and step.why):
            wrong.append(f"set aside, or not, without a reason: {step}")
        here = step.end
    if answer.path and here != NamedIdentifier(*b):
        wrong.append(f"the way ends in {here}")
    return wrong


def test_kiosks_equal_the_oracle(built: Built) -> None:
    rows = built.rows(
        "select distinct nodes.root_kind, nodes.root_value, devices.is_kiosk"
        " from marts.dim_devices as devices"
        " inner join intermediate.int_identity_nodes as nodes"
        " on devices.device_key = nodes.person_id"
    )
    got = {(kind, value): kiosk for kind, value, kiosk in rows}
    devices = {device for device in built.answer.devices.values() if device is not None}
    assert got.keys() == devices
    assert {device for device, kiosk in got.items() if kiosk} == built.answer.kiosks
    assert built.answer.kiosks


def test_devices_equal_the_oracle(built: Built) -> None:
    rows = built.rows(
        "select nodes.root_kind, nodes.root_value, devices.first_seen_at, devices.last_seen_at,"
        " devices.events, devices.persons, devices.anonymous_ids, devices.device_ids,"
        " devices.surface, devices.platform, devices.app_version, devices.device_class,"
        " devices.last_person_id, devices.last_rule"
        " from marts.dim_devices as devices"
        " inner join (select distinct person_id, root_kind, root_value"
        " from intermediate.int_identity_nodes) as nodes on devices.device_key = nodes.person_id"
    )
    root_of = built.roots()
    got = {(kind, value): (*rest[:-2], root_of[rest[-2]], rest[-1]) for kind, value, *rest in rows}
    assert len(got) == len(rows)
    names = defaultdict(Counter)
    for (kind, _), node in built.answer.nodes.items():
        names[node.root][kind] += 1
    naming = oracle.Names(oracle.winners(built.records))
    differences = []
    for device, mine in events_by_device(built).items():
        mine.sort(key=lambda e: (e["occurred_at"], e["event_id"], e["event_key"]))
        last, sent = mine[-1], [e for e in mine if naming.is_sent_by_its_device(e)]
        answers = [built.answer.events[event["event_key"]] for event in mine]
        expected = (
            min(event["occurred_at"] for event in mine),
            last["occurred_at"],
            len(mine),
            len({root for root, rule in answers if rule == "direct"}),
            names[device]["anonymous_id"],
            names[device]["device_id"],
            *(last_said(sent, column) for column in SAID_OF_A_DEVICE),
            *built.answer.events[last["event_key"]],
        )
        if got.get(device) != expected:
            differences.append((device[1], f"{device}: {got.get(device)}, expected {expected}"))
    fail_with(built, differences)


def last_said(events: list[dict], column: str) -> str | None:
    return next((e[column] for e in reversed(events) if e[column] is not None), None)


def events_by_device(built: Built) -> dict[oracle.Identifier, list[dict]]:
    events = defaultdict(list)
    for event in oracle.winners(built.records):
        device = built.answer.devices[event["event_key"]]
        if device is not None:
            events[device].append(event)
    return events


def test_a_person_identifier_stands_for_whom_the_oracle_says(built: Built) -> None:
    """And what is set aside for nobody."""
    rows = built.rows(
        "select kind, value, person_id, rule, valid_from, valid_to, events, device_key"
        " from marts.bridge_identities"
        " where person_id is null or kind not in ('anonymous_id', 'device_id')"
    )
    root_of = built.roots()
    got = {(kind, value): (root_of.get(person), *rest) for kind, value, person, *rest in rows}
    assert len(got) == len(rows)
    differences = []
    for identifier, node in built.answer.nodes.items():
        if oracle.priority(identifier) >= 5 and not node.is_set_aside:
            continue
        root = None if node.is_set_aside else node.root
        expected = (root, node.rule, node.first_seen_at, None, node.events, None)
        if got.get(identifier) != expected:
            differences.append((identifier[1], f"{identifier}: {got.get(identifier)}, {expected}"))
    fail_with(built, differences)


def test_a_device_stands_for_one_person_after_the_other_as_the_oracle_says(built: Built) -> None:
    rows = built.rows(
        "select kind, value, person_id, rule, valid_from, valid_to, events, device_key"
        " from marts.bridge_identities"
        " where kind in ('anonymous_id', 'device_id') and person_id is not null"
    )
    person_of = {root: person for person, root in built.roots().items()}
    got = defaultdict(list)
    for kind, value, person, rule, since, until, count, device in rows:
        got[kind, value].append((since, until, person, rule, count, device))
    devices = events_by_device(built)
    differences = []
    compared = Counter()
    for identifier, node in built.answer.nodes.items():
        if oracle.priority(identifier) < 5 or node.is_set_aside:
            continue
        mine = devices[node.root]
        expected = [(*run, person_of[node.root]) for run in runs(mine, built.answer, person_of)]
        compared["changes"] += len(expected) > 1
        compared["ties"] += len({event["occurred_at"] for event in mine}) < len(mine)
        if sorted(got[identifier]) != sorted(expected):
            differences.append((identifier[1], f"{identifier}: {got[identifier]}, not {expected}"))
    fail_with(built, differences)
    assert min(compared["changes"], compared["ties"]) > 100


def runs(events: list[dict], answer: oracle.Answer, person_of: dict) -> list[tuple]:
    """(from, until, person, rule, events) of each unbroken run; what is known counts as carried.

    Of one moment the order is that of persons and rules: no two runs of a person begin in it.
    """
    placed = []
    for event in events:
        root, rule = answer.events[event["event_key"]]
        rule = "carry" if rule == "direct" else rule
        placed.append((event["occurred_at"], person_of[root], rule))
    found: list[tuple] = []
    for at, person, rule in sorted(placed):
        since, count = at, 1
        if found and found[-1][2:4] == (person, rule):
            since, *_, count = found.pop()
            count += 1
        found.append((since, at, person, rule, count))
    return found


def test_sessions_equal_the_oracle(built: Built) -> None:
    rows = built.rows("select event_key, person_id, session_id from marts.fct_events")
    person_of = {key: person for key, person, _ in rows}
    session_of = {key: session for key, _, session in rows}
    attached = 0
    events = oracle.winners(built.records)
    # null-like ids name nobody, so persons never span worlds: one call of the oracle serves all
    for key, first in oracle.sessions(events, person_of, timedelta(minutes=30)).items():
        expected = None if first is None else "s_" + hashlib.md5(first.encode()).hexdigest()
        assert session_of[key] == expected, key
        attached += expected is not None
    assert attached > len(events) / 2
