"""Identity does not remember how the evidence came: histories of histories.py in one home.

Each history is there a hundred times under other names, every copy in another order and split into
other loads, with overrides that come and go. The home is built after each load. In the end all
copies are told alike, and the home holds the rows a full build of the final state holds. Merges
that were undone leave the rows of those that never were.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from governance.home import Home
from tests.properties import identity_oracle as oracle
from tests.properties.histories import Arrival, History, arrive, as_json, draw
from tests.properties.warehouse import MODELS, add_raw, build, make_home, write_raw
from tests.properties.worlds import (
    GAP,
    HUB_LIMIT,
    KIOSK_LIMIT,
    VARIABLES,
    raw_overrides,
    raw_rows,
    record,
)

STATE = (
    "marts.fct_events",
    "marts.fct_sessions",
    "marts.bridge_identities",
    "marts.bridge_identity_evidence",
    "marts.dim_persons",
    "marts.dim_devices",
    "intermediate.int_identity_nodes",
    "intermediate.int_event_persons",
)
SEED = 20260403
COPY = re.compile(r"[ht]\d\d_\d\d\d")
# By which event a tie is broken depends on hashes of names, which renaming changes.
BY_HASH = {"example_event_key"}
# What an undone alias leaves: that it was seen, not whom it named.
SEEN = {"first_seen_at", "last_seen_at", "events", "valid_from"}
# Of one moment hashes say which run was first; runs are compared with the oracle elsewhere.
WITHOUT_ORDER = {
    "marts.bridge_identities": "(select kind, value, person_id, rule, confidence,"
    " min(valid_from) as valid_from, max(valid_to) as valid_to"
    " from marts.bridge_identities group by all)"
}
Rows = Counter[tuple[tuple[str, object], ...]]


@dataclass(frozen=True)
class Size:
    histories: int
    copies: int
    moves: int
    steps: int
    twins: int  # of each kind


@dataclass(frozen=True)
class Told:
    """The warehouse built step by step, the one built at once, and what was told to both."""

    stepwise: Path
    at_once: Path
    histories: dict[str, History]  # by the name of the copy


def name_of(kind: str, history: int, copy: int) -> str:
    return f"{kind}{history:02}_{copy:03}"


def copies(size: Size) -> tuple[dict[str, History], list[Arrival]]:
    named, arrivals = {}, []
    for number in range(size.histories):
        for copy in range(size.copies):
            name = name_of("h", number, copy)
            named[name] = draw(name, SEED + number, size.moves)
            rng = random.Random(f"{SEED} {name}")
            arrivals += arrive(named[name], size.steps, rng)
    return named, arrivals


# --- Twins: one was merged and parted again, the other never was ----------------------------------


def link_taken_back(name: str, seed: int, moves: int) -> tuple[History, list[Arrival]]:
    """Linked by hand, built, and taken back."""
    return _said(name, seed, moves, [("user_id", "u0"), ("user_id", "u1")], "reset")


def device_link_taken_back(name: str, seed: int, moves: int) -> tuple[History, list[Arrival]]:
    pair = [("anonymous_id", "a0"), ("anonymous_id", "a1")]
    return _said(name, seed, moves, pair, "reset")


def link_across_kinds_taken_back(name: str, seed: int, moves: int) -> tuple[History, list[Arrival]]:
    return _said(name, seed, moves, [("user_id", "u2"), ("email", "e0")], "reset")


def _said(
    name: str, seed: int, moves: int, ends: list[tuple[str, str]], action: str
) -> tuple[History, list[Arrival]]:
    history = draw(name, seed, moves)
    a, b = ((kind, f"{name}_{value}") for kind, value in ends)
    history.statements[:] = []
    arrivals = [Arrival(0, row) for row in history.records]
    if is_merged(name):
        said = [oracle.Statement("link", a, b), oracle.Statement(action, a, b)]
        history.statements += said
        arrivals += [Arrival(step, line) for step, line in enumerate(said)]
    return history, arrivals


def alias_unlinked(name: str, seed: int, moves: int) -> tuple[History, list[Arrival]]:
    """Aliased by the server, built, and unlinked; the twin's alias names nobody else."""
    history = draw(name, seed, moves)
    history.statements[:] = []
    arrivals = [Arrival(0, row) for row in history.records]
    users = list(dict.fromkeys(r["user_id"] for r in history.records if r.get("user_id")))[:2]
    last = max(row["occurred_at"] for row in history.records) + timedelta(days=1)
    alias = record("backend", name, len(history.records), last, user_id=users[0])
    alias |= {"event_name": "alias", "event_type": "alias"}
    alias["previous_id"] = users[1] if is_merged(name) else None
    history.records.append(alias)
    arrivals.append(Arrival(0, alias))
    if is_merged(name):
        said = oracle.Statement("unlink", *(("user_id", user) for user in users))
        history.statements.append(said)
        arrivals.append(Arrival(1, said))
    return history, arrivals


KINDS = (link_taken_back, device_link_taken_back, link_across_kinds_taken_back, alias_unlinked)


def is_merged(name: str) -> bool:
    return int(name[-3:]) % 2 == 0


def twins(size: Size) -> tuple[dict[str, History], list[Arrival]]:
    named, arrivals = {}, []
    for number, kind in enumerate(KINDS):
        found = 0  # pairs; those are left out that the undone alias leaves with another hub
        for seed in range(10 * size.twins):
            pair = [name_of("t", number, 2 * found), name_of("t", number, 2 * found + 1)]
            made = [kind(name, SEED + 100 * number + seed, size.moves) for name in pair]
            if found < size.twins and are_comparable(*(history for history, _ in made)):
                found += 1
                for name, (history, mine) in zip(pair, made, strict=True):
                    named[name] = history
                    arrivals += mine
        assert found == size.twins
    return named, arrivals


def are_comparable(merged: History, never: History) -> bool:
    """An alias that is undone was still seen: it may make a hub, or part others for good."""
    one, two = (
        oracle.resolve(h.records, HUB_LIMIT, KIOSK_LIMIT, GAP, h.statements)
        for h in (merged, never)
    )
    ends = [(kind, value) for said in merged.statements for kind, value in (said.a, said.b)]
    roots = {two.nodes[end].root for end in renamed(ends, merged, never) if end in two.nodes}
    hubs = [{n[1][7:] for n, node in a.nodes.items() if node.rule == "hub"} for a in (one, two)]
    return len(roots) == 2 and hubs[0] == hubs[1] and len(one.nodes) == len(two.nodes)


def renamed(ends: list[oracle.Identifier], old: History, new: History) -> list[oracle.Identifier]:
    return [(kind, value.replace(old.name, new.name)) for kind, value in ends]


# --- The homes ------------------------------------------------------------------------------------


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(Size(histories=6, copies=100, moves=20, steps=3, twins=10), id="small"),
        pytest.param(
            Size(histories=20, copies=100, moves=40, steps=6, twins=50),
            id="large",
            marks=pytest.mark.long,
        ),
    ],
)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    size = request.param
    histories, arrivals = copies(size)
    more, others = twins(size)
    histories |= more
    arrivals += others
    root = tmp_path_factory.mktemp("histories")
    # one home after the other in one place, so that dbt reads its project once
    home = make_home(root / "home")

    rows = [arrival for arrival in arrivals if isinstance(arrival.part, dict)]
    random.Random(SEED).shuffle(rows)
    lines = [arrival for arrival in arrivals if not isinstance(arrival.part, dict)]
    lines.sort(key=lambda arrival: arrival.step)
    for step in range(size.steps):
        (add_raw if step else write_raw)(
            home,
            raw_rows([row.part for row in rows if row.step == step]),
            overrides=raw_overrides([line.part for line in lines if line.step <= step]),
        )
        build_state(home, root)
    # views name the file they are in
    (root / "stepwise").mkdir()
    stepwise = home.warehouse.rename(root / "stepwise" / home.warehouse.name)

    random.Random(SEED + 1).shuffle(rows)
    said = raw_overrides([line.part for line in lines])
    write_raw(home, raw_rows([row.part for row in rows]), overrides=said)
    build_state(home, root)
    return Told(stepwise, home.warehouse, histories)


def build_state(home: Home, root: Path) -> None:
    wanted = [f"+{table.split('.')[1]}" for table in STATE]
    build(home, VARIABLES, *MODELS, "-s", *wanted, "ops_identity_changes", target=root / "target")


# --- What they hold -------------------------------------------------------------------------------


def read(warehouse: Path, table: str) -> tuple[list[str], list[tuple]]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        found = con.execute(f"from {table}")
        return [column[0] for column in found.description], found.fetchall()


def ids_of(told: Told) -> dict[str, str]:
    """What the hashes of persons and sessions were made from."""
    columns, rows = read(told.stepwise, "intermediate.int_identity_nodes")
    person, kind, value = (columns.index(c) for c in ("person_id", "root_kind", "root_value"))
    names = {row[person]: f"{row[kind]}:{row[value]}" for row in rows if row[person]}
    for history in told.histories.values():
        for row in history.records:
            names[row["event_key"]] = row["event_id"]
            session = hashlib.md5(row["event_key"].encode()).hexdigest()
            names[f"s_{session}"] = f"session {row['event_id']}"
    return names


def rows_by_copy(told: Told, table: str, hidden: set[str], ids: dict[str, str]) -> dict[str, Rows]:
    """The rows of each copy, with its name taken out of them."""
    columns, rows = read(told.stepwise, WITHOUT_ORDER.get(table, table))
    found: dict[str, Rows] = defaultdict(Counter)
    shown = [n for n, c in enumerate(columns) if c not in hidden]
    for row in rows:
        cells = [
            (columns[n], ids.get(row[n], row[n]) if isinstance(row[n], str) else row[n])
            for n in shown
            if row[n] is not None
        ]
        names = {name for _, cell in cells if isinstance(cell, str) for name in COPY.findall(cell)}
        assert len(names) == 1, (table, row, names)
        name = names.pop()
        plain = ((c, v.replace(name, "*") if isinstance(v, str) else v) for c, v in cells)
        found[name][tuple(plain)] += 1
    return found


def assert_same(
    told: Told,
    pairs: Sequence[tuple[str, str]],
    table: str,
    hidden: set[str],
    *,
    without_accounts: bool = False,
) -> None:
    """``without_accounts``: leaving out what names two accounts together."""
    found = rows_by_copy(told, table, hidden | BY_HASH, ids_of(told))
    if without_accounts:
        two = {("higher_kind", "user_id"), ("lower_kind", "user_id")}
        found = {
            name: Counter({row: n for row, n in rows.items() if not two <= set(row)})
            for name, rows in found.items()
        }
    assert pairs
    assert any(found.values())
    different = [(one, two) for one, two in pairs if found.get(one) != found.get(two)]
    if not different:
        return
    one, two = different[0]
    mine, other = found.get(one, Counter()), found.get(two, Counter())
    lines = [f"{len(different)} copies differ in {table}; {one} and {two}:"]
    lines += [f"only {one}: {dict(row)}" for row in mine - other]
    lines += [f"only {two}: {dict(row)}" for row in other - mine]
    lines += ["", as_json(told.histories[one]), "", as_json(told.histories[two])]
    pytest.fail("\n".join(lines), pytrace=False)


@pytest.mark.parametrize("table", STATE)
def test_every_order_and_split_of_a_history_tells_the_same(told: Told, table: str) -> None:
    names = [name for name in told.histories if name.startswith("h")]
    firsts = {name[:3]: name for name in reversed(names)}
    assert_same(told, [(firsts[name[:3]], name) for name in names], table, set())


@pytest.mark.parametrize("table", STATE)
def test_built_load_by_load_equals_built_at_once(told: Told, table: str) -> None:
    # copied out: a view of an attached file would read the other one
    with duckdb.connect(str(told.at_once), read_only=True) as con:
        at_once = con.execute(f"from {table}").to_arrow_table()
    with duckdb.connect(str(told.stepwise), read_only=True) as con:
        con.register("at_once", at_once)
        for left, right in ((table, "at_once"), ("at_once", table)):
            rows = con.execute(f"from {left} except all from {right} limit 5").fetchall()
            assert not rows, f"in {left} only"
        assert at_once.num_rows


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
@pytest.mark.parametrize("table", STATE)
def test_merged_and_parted_again_equals_never_merged(told: Told, table: str, kind: object) -> None:
    hidden = set()
    if kind is alias_unlinked and "identit" in table:
        hidden = SEEN
    first = f"t{KINDS.index(kind):02}"
    merged = [name for name in told.histories if name[:3] == first and is_merged(name)]
    pairs = [(name, f"{name[:4]}{int(name[4:]) + 1:03}") for name in merged]
    # that two accounts were named together stays on record, with the reason why it does not count
    assert_same(told, pairs, table, hidden, without_accounts=kind is alias_unlinked)


def test_who_did_what_in_the_end_equals_the_oracle(told: Told) -> None:
    records = [row for history in told.histories.values() for row in history.records]
    said = [line for history in told.histories.values() for line in history.statements]
    answer = oracle.resolve(records, HUB_LIMIT, KIOSK_LIMIT, GAP, said)
    with duckdb.connect(str(told.stepwise), read_only=True) as con:
        events = con.execute(
            "select events.event_key, nodes.root_kind, nodes.root_value, events.identity_rule"
            " from intermediate.int_event_persons as events"
            " left join (select distinct person_id, root_kind, root_value"
            " from intermediate.int_identity_nodes) as nodes on events.person_id = nodes.person_id"
        ).fetchall()
    got = {key: ((kind, value) if kind else None, rule) for key, kind, value, rule in events}
    assert got == answer.events


def test_the_log_of_changes_ends_in_what_is(told: Told) -> None:
    with duckdb.connect(str(told.stepwise), read_only=True) as con:
        log = con.execute(
            "select kind, value, old_person_id, new_person_id, cause"
            " from marts.ops_identity_changes order by change_number"
        ).fetchall()
        nodes = con.execute(
            "select kind, value, person_id from intermediate.int_identity_nodes"
        ).fetchall()
    now: dict[tuple[str, str], str | None] = {}
    last: dict[tuple[str, str], str] = {}
    undone: dict[str, set[str]] = defaultdict(set)
    for kind, value, old, new, cause in log:
        assert old == now.get((kind, value)), (kind, value, cause)
        assert (cause == "first_seen") == ((kind, value) not in now), (kind, value, cause)
        # what was gone may come back only to be set aside: nobody's before and after
        is_back = last.get((kind, value)) == "gone"
        assert old != new or cause in ("first_seen", "gone") or (is_back and cause == "set_aside")
        assert (cause, last.get((kind, value))) != ("gone", "gone"), "said again by every build"
        now[kind, value], last[kind, value] = new, cause
        if value.startswith("t"):
            undone[value[:3]].add(cause)
    current = {(kind, value): person for kind, value, person in nodes}
    assert {node: person for node, person in now.items() if node in current} == current
    assert all(person is None for node, person in now.items() if node not in current)
    assert {cause for *_, cause in log} >= {"merged", "split", "set_aside", "restored", "gone"}
    # what the twins compare did happen in between: merges that were parted again
    assert len(undone) == len(KINDS)
    assert all({"split", "regrouped"} & causes for causes in undone.values())
