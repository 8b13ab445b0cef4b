"""Restatements sum to what changed, person by person, and name the cause that was planted.

Forty couples lead random lives of three weeks; then to each of them happen some of: a late event, a
copy received earlier, a merge, a first log-in on a browser, an override, a file read again. A
version is published before and after, and then: more days, other rates, another time-out. What
each person adds to a number is counted here in plain Python from the rows of both versions.
"""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
import yaml

from governance.config import dbt_vars, load_config
from governance.home import Home
from governance.keys import load_keys
from governance.warehouse import open_warehouse, warehouse_lock
from orchestration.cli.entry import run as throughline
from orchestration.publishing import publish, versions
from orchestration.publishing.basis import Basis, basis_of
from orchestration.publishing.relocation import relocate
from orchestration.publishing.restating import Part, Share, restate, to_the_cent
from tests.properties.configured import configure, configured_home
from tests.properties.lives import variables
from tests.properties.stepwise import Plan, Step, run
from tests.properties.worlds import raw_rows, record

SEED = 20260712
COUPLES = 40
START = datetime(2026, 4, 1)
DAYS = 20
ORDER = ("override", "merge", "replay", "late", "duplicate")  # the first that touched counts
METRICS = ("active_persons", "conversions", "new_persons", "revenue", "sessions")
Shares = dict[tuple[date, str], Counter[str]]


@dataclass
class Couple:
    """Two users of one file, and what happens to the first of them (a merge takes both)."""

    name: str
    causes: frozenset[str]
    rows: list[dict]

    @property
    def cause(self) -> str | None:
        known_as = {"merge" if cause == "log_in" else cause for cause in self.causes}
        return next((cause for cause in ORDER if cause in known_as), None)


def row(couple: str, number: int, at: datetime, source: str, **columns: object) -> dict:
    segment = f"{couple}.jsonl"
    return record(source, couple, number, at, **columns) | {"segment": segment, "position": number}


def lead_lives(name: str, rng: random.Random) -> Couple:
    """Visits in bursts of twenty minutes' distance, and payments in two currencies."""
    rows: list[dict] = []
    for user in ("a", "b"):
        for _ in range(rng.randrange(2, 6)):
            at = START + timedelta(days=rng.randrange(DAYS), minutes=rng.randrange(1000))
            for visit in range(rng.randrange(1, 4)):
                when = at + timedelta(minutes=20 * visit)
                rows.append(row(name, len(rows), when, "app", user_id=f"{name}_{user}"))
            if rng.random() < 0.7:
                rows.append(pay(name, len(rows), at, user, rng))
    at = START + timedelta(days=rng.randrange(DAYS))
    rows.append(row(name, len(rows), at, "app", anonymous_id=f"{name}_browser"))
    causes = frozenset(cause for cause in (*ORDER, "log_in") if rng.random() < 0.15)
    return Couple(name, causes, rows)


def pay(name: str, number: int, at: datetime, user: str, rng: random.Random) -> dict:
    return row(
        name,
        number,
        at,
        "backend",
        user_id=f"{name}_{user}",
        event_name="paid",
        revenue=Decimal(rng.randrange(100, 9000)) / 100,
        currency=rng.choice(["EUR", "EUR", "USD"]),
        order_id=f"{name}_o{number}",
    )


def what_happens(couple: Couple, rng: random.Random) -> tuple[list[dict], list[dict]]:
    """Rows and overrides that come after the first version."""
    rows: list[dict] = []
    said: list[dict] = []
    name, received = couple.name, START + timedelta(days=26)
    mine = [each for each in couple.rows if each.get("user_id") == f"{name}_a"]
    if "late" in couple.causes:
        at = START + timedelta(days=rng.randrange(DAYS - 1), minutes=rng.randrange(1400))
        rows.append(pay(name, 500, at, "a", rng) | {"received_at": received, "currency": "EUR"})
        seen = {"received_at": received, "event_name": "paid", "user_id": f"{name}_a"}
        rows.append(row(name, 501, at, "app") | seen)
        rows.append(row(name, 502, at + timedelta(hours=3), "app") | seen | {"is_bot": True})
    if "duplicate" in couple.causes:
        first = mine[0]
        earlier = {"received_at": first["received_at"] - timedelta(seconds=5), "position": 600}
        other = {"event_name": "paid", "content_digest": "other", "source": first["source"]}
        rows.append(first | earlier | other)
    if "log_in" in couple.causes:
        whose = {"user_id": f"{name}_a", "anonymous_id": f"{name}_browser"}
        rows.append(row(name, 900, received, "app", **whose))
    if "merge" in couple.causes:
        alias = row(
            name,
            700,
            received,
            "backend",
            event_name="alias",
            event_type="alias",
            user_id=f"{name}_a",
            previous_id=f"{name}_b",
        )
        rows.append(alias)
    if "override" in couple.causes:
        a, b = ({"kind": "user_id", "value": f"{name}_{user}"} for user in ("a", "b"))
        pair = {
            f"{end}_{key}": value for end, one in (("a", a), ("b", b)) for key, value in one.items()
        }
        said.append({"action": "link", "stated_at": received, **pair})
    if "replay" in couple.causes:
        again = mine[-1]["event_key"]
        rows += [
            each
            | {"generation": 2}
            | (
                {"occurred_at": each["occurred_at"] - timedelta(days=1)}
                if each["event_key"] == again
                else {}
            )
            for each in couple.rows
        ]
        rows = [each | {"generation": 2} for each in rows]
    return rows, said


def anchors(day: int) -> list[dict]:
    """One event of each source, so that the data reach ``day``."""
    at = START + timedelta(days=day)
    return [
        row("anchors", 10 * day + number, at, source, event_name="looked", is_interactive=False)
        for number, source in enumerate(("web", "app", "backend", "shop"))
    ]


@dataclass(frozen=True)
class Told:
    home: Home
    folder: Path
    couples: list[Couple]
    names: list[str]  # of the versions, oldest first
    said: list[dict]  # overrides


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    root = tmp_path_factory.mktemp("restatements")
    home = configured_home(root / "home")
    configured = variables() | {
        "tl_internal_users": [],
        "tl_funnels": variables()["tl_funnels"][:1],
    }
    config = configure(home, configured)
    rng = random.Random(SEED)
    couples = [lead_lives(f"g{number:02}", rng) for number in range(COUPLES)]
    happened = [what_happens(couple, rng) for couple in couples]
    said = [line for _, lines in happened for line in lines]
    rates = [
        {"date": (START + timedelta(days=n)).date(), "currency": "USD", "rate": Decimal("0.9")}
        for n in range(-5, 60)
    ]
    dearer = [rate | {"rate": Decimal("0.95")} for rate in rates]
    more_days = [
        row(couple.name, 800, START + timedelta(days=23), "app", user_id=f"{couple.name}_a")
        | {"received_at": START + timedelta(days=30)}
        for couple in couples
        if "replay" not in couple.causes
    ]
    # a day nobody has seen yet is on no list: it is the day after the last complete one
    steps = [
        Step(raw_rows([*anchors(22), *(r for c in couples for r in c.rows)]), rates=rates),
        Step(raw_rows([r for rows, _ in happened for r in rows]), said, rates),
        Step(raw_rows([*more_days, *anchors(31)]), said, rates),
        Step([], said, dearer),
        Step([], said, dearer, config=yaml_with_timeout(home, "10m")),
    ]
    for step in steps:
        step.publishes = True
    # by days, so that most events of a version are read from the one before
    run(root / "stepwise", Plan(home.root, dbt_vars(config), steps, large_month=0))
    names = [version.name for version in reversed(versions(home))]
    assert len(names) == len(steps)
    return Told(home, root, couples, names, said)


def yaml_with_timeout(home: Home, timeout: str) -> str:
    tree = yaml.safe_load(home.config.read_text())
    tree["sessions"]["timeout"] = timeout
    return yaml.safe_dump(tree, sort_keys=False)


# --- the oracle -----------------------------------------------------------------------------------


def read(told: Told, number: int, query: str) -> list[tuple]:
    path = told.home.published / "analyst" / told.names[number] / "analytics.duckdb"
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(query).fetchall()


def shares(told: Told, number: int) -> Shares:
    """What everybody adds to each number of each day, from the version's events and sessions."""
    found: Shares = defaultdict(Counter)
    for who, day in read(
        told,
        number,
        "select person_id, started_date from marts.fct_sessions where not (is_bot or is_internal)",
    ):
        found[day, "sessions"][who] += 1
    first: dict[str, date] = {}
    for who, day, interactive, key, amount, bot, internal in read(
        told,
        number,
        "select coalesce(person_id, event_key), occurred_date, is_interactive and person_id is not"
        " null, is_key_event, revenue_reporting, is_bot, is_internal from marts.fct_events",
    ):
        if interactive and not bot and not internal:
            found[day, "active_persons"][who] = 1
            first[who] = min(first.get(who, day), day)
        if key and not bot and not internal:
            found[day, "conversions"][who] += 1
        if amount is not None:
            found[day, "revenue"][who] += amount
    for who, day in first.items():
        found[day, "new_persons"][who] = 1
    return found


def owners(told: Told, number: int) -> dict[str, str]:
    """The couple of each person."""
    rows = read(
        told,
        number,
        "select distinct person_id, coalesce(user_id, anonymous_id) from marts.fct_events"
        " where person_id is not null",
    )
    return {person: user.split("_")[0] for person, user in rows}


def known_until(told: Told, number: int) -> date:
    return read(
        told, number, "select max(metric_date) from marts.rpt_metrics_daily where is_complete"
    )[0][0]


def expected(told: Told, number: int, cause_of: Callable[[str], str]) -> dict[tuple, Decimal]:
    """Parts by (day, metric, cause) of the version ``number`` against the one before."""
    before, now, until = (
        shares(told, number - 1),
        shares(told, number),
        known_until(told, number - 1),
    )
    parts: dict[tuple, Decimal] = defaultdict(Decimal)
    for cell in before.keys() | now.keys():
        then, today = before.get(cell, Counter()), now.get(cell, Counter())
        whole = sum(today.values()) - sum(then.values())
        if cell[0] > until or not round(Decimal(whole), 2):
            continue
        for who in then.keys() | today.keys():
            if part := today.get(who, 0) - then.get(who, 0):
                parts[(*cell, cause_of(who))] += Decimal(part)
    return {key: part for key, part in parts.items() if round(part, 2)}


def logged(told: Told, number: int) -> dict[tuple, Decimal]:
    rows = read(
        told,
        number,
        "select metric_date, metric, cause, part from marts.ops_restatements"
        f" where version = '{told.names[number]}'",
    )
    return {row[:3]: row[3] for row in rows}


def assert_alike(found: dict[tuple, Decimal], wanted: dict[tuple, Decimal]) -> None:
    assert found.keys() == wanted.keys()
    for key, part in found.items():
        allowed = Decimal("0.1") if key[1] == "revenue" else Decimal(0)
        assert abs(part - wanted[key]) <= allowed, (key, part, wanted[key])


# --- what is logged -------------------------------------------------------------------------------


def test_every_difference_is_its_planted_cause(told: Told) -> None:
    couples = {couple.name: couple for couple in told.couples}
    owner = owners(told, 0) | owners(told, 1)
    wanted = expected(told, 1, lambda who: couples[owner[who]].cause or "nothing happened")
    assert {cause for _, _, cause in wanted} == set(ORDER)
    assert {metric for _, metric, _ in wanted} == set(METRICS)
    assert_alike(logged(told, 1), wanted)


def test_more_days_are_growth_and_no_restatement(told: Told) -> None:
    grown = shares(told, 2).keys() - shares(told, 1).keys()
    assert {metric for _, metric in grown} >= {"sessions", "active_persons"}
    assert logged(told, 2) == {}


@pytest.mark.parametrize(("number", "metrics"), [(3, {"revenue"}), (4, {"sessions"})])
def test_other_rates_and_another_time_out_are_configuration(
    told: Told, number: int, metrics: set[str]
) -> None:
    wanted = expected(told, number, lambda who: "configuration")
    assert {metric for _, metric, _ in wanted} == metrics
    assert_alike(logged(told, number), wanted)


def test_the_parts_of_a_number_sum_to_what_the_reports_show(told: Told) -> None:
    for number in range(1, len(told.names)):
        rows = read(
            told,
            number,
            "select metric_date, metric, sum(part), any_value(previous_value), any_value(new_value)"
            f" from marts.ops_restatements where version = '{told.names[number]}' group by all",
        )
        for day, metric, whole, previous, new in rows:
            assert whole == new - previous
            shown = [
                read(told, side, report(metric).format(day=day))[0][0]
                for side in (number - 1, number)
            ]
            assert [previous, new] == shown, (day, metric)


def report(metric: str) -> str:
    if metric == "active_persons":
        return (
            "select coalesce(sum(dau), 0) from marts.rpt_active_daily"
            " where segment_set = 'all' and active_date = '{day}'"
        )
    column = "revenue_reporting" if metric == "revenue" else metric
    return (
        f"select coalesce(sum({column}), 0) from marts.rpt_metrics_daily"
        " where metric_date = '{day}'"
    )


def test_the_log_is_only_appended_to(told: Told) -> None:
    rows = [
        set(read(told, number, "from marts.ops_restatements")) for number in range(len(told.names))
    ]
    assert not rows[0]
    assert all(before <= after for before, after in pairwise(rows))
    assert not any(row[4] == "unexplained" for row in rows[-1])


def compare_again(told: Told, change: Callable[[Basis], Basis]) -> tuple[Part, ...]:
    """The last version with the first one, as if that had been made from something else."""
    path = told.home.published / "analyst" / told.names[0] / "analytics.duckdb"
    with (
        warehouse_lock(told.home, "test"),
        open_warehouse(told.home, keys=load_keys(told.home)) as con,
    ):
        before, now = (basis_of(con, told.names[number]) for number in (0, -1))
        assert before is not None
        assert now is not None
        parts = restate(con, path, change(before), now)
        kept = con.execute("select table_name from duckdb_tables() where temporary").fetchall()
        # nothing as long as all events
        assert {name for (name,) in kept} <= {"cells", "restated", "touched", "moves", "overridden"}
        return parts


def test_code_is_a_cause_only_when_a_model_is_another_one(told: Told) -> None:
    def other(**changes: object) -> Callable[[Basis], Basis]:
        return lambda basis: Basis(
            **{name: getattr(basis, name) for name in Basis.__slots__} | changes
        )

    signed = {"int_events": "another"}
    causes = {part.cause for part in compare_again(told, other(code="x", signatures=signed))}
    assert causes == {"code"}
    # the time-out changed since the first version, and with it the models
    causes = {part.cause for part in compare_again(told, other())}
    assert causes == {"configuration"}


def test_a_damaged_version_before_stops_nothing(told: Told, tmp_path: Path) -> None:
    home = Home(shutil.copytree(told.home.root, tmp_path / "home", symlinks=True))
    relocate(home)
    for file in (home.published / "analyst" / told.names[-1] / "parquet/fct_events").rglob("*.*"):
        file.chmod(0o644)
        file.write_bytes(b"cut")
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("update marts.rpt_metrics_daily set new_persons = new_persons + 7")
    report = publish(
        home,
        load_config(home),
        load_keys(home),
        dbt_manifest=told.folder / "stepwise/target/manifest.json",
        run_id="after the damage",
        now=datetime(2026, 8, 1, tzinfo=UTC),
    )
    assert (report.outcome, report.restated) == ("published", None)
    with duckdb.connect(str(report.path), read_only=True) as con:
        (events,) = con.execute("select count(*) from marts.fct_events").fetchone() or (0,)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("select count(*) from marts.fct_events").fetchall() == [(events,)]


def test_what_no_record_explains_is_said_to_be_unexplained(told: Told) -> None:
    """Somebody altered a report: no person's share changed."""
    kept = told.folder / "kept.duckdb"
    kept.write_bytes(told.home.warehouse.read_bytes())
    day = read(told, -1, "select min(metric_date) from marts.rpt_metrics_daily")[0][0]
    with duckdb.connect(str(told.home.warehouse)) as con:
        con.execute(
            "update marts.rpt_metrics_daily set new_persons = new_persons + 7"
            " where rowid = (select min(rowid) from marts.rpt_metrics_daily where metric_date = ?)",
            [day],
        )
    path = told.home.published / "analyst" / told.names[-1] / "analytics.duckdb"
    with (
        warehouse_lock(told.home, "test"),
        open_warehouse(told.home, keys=load_keys(told.home)) as con,
    ):
        basis = basis_of(con, told.names[-1])
        assert basis is not None
        parts = restate(con, path, basis, basis)
    kept.replace(told.home.warehouse)
    assert [(p.cell.metric_date, p.cell.metric, p.cause, p.part) for p in parts] == [
        (day, "new_persons", "unexplained", Decimal(7))
    ]


# --- looking back ---------------------------------------------------------------------------------


def call(told: Told, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = throughline(["--home", str(told.home.root), *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_as_of_shows_what_a_version_showed(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    day, metric, cause = next(iter(sorted(logged(told, 1))))
    values = [sum(shares(told, number).get((day, metric), Counter()).values()) for number in (0, 1)]
    assert values[0] != values[1], cause
    for number, value in enumerate(values):
        code, out = call(told, capsys, "as-of", told.names[number], metric, "--days", "400")
        assert code == 0
        line = next(line for line in out.splitlines() if line.startswith(str(day)))
        assert Decimal(line.split()[1].replace(",", "")) == value


def test_restatements_are_listed_with_their_causes(
    told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = call(told, capsys, "restatements", "--version", told.names[3])
    assert code == 0
    assert f"{told.names[3]}, after {told.names[2]}" in out
    assert "configuration" in out
    assert "late" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["as-of", "20200101T000000Z-00000000", "sessions"], 1, "publish --list"),
        (["as-of", "current", "happiness"], 2, "active_persons"),
    ],
)
def test_mistakes_name_the_fix(
    told: Told,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    said: str,
) -> None:
    got, out = call(told, capsys, *arguments)
    assert got == code
    assert said in out


def test_cents_go_to_those_that_lost_most_and_sum_to_the_whole() -> None:
    rng = random.Random(SEED)
    for _ in range(500):
        some = [
            Share("late", Decimal(rng.randrange(-(10**7), 10**7)) / 10**4, 1)
            for _ in range(rng.randrange(1, 6))
        ]
        exact = sum((share.part for share in some), Decimal(0))
        whole = exact.quantize(Decimal("0.01"))
        rounded = to_the_cent(some, whole)
        assert sum((share.part for share in rounded), Decimal(0)) == whole
        for share, cents in zip(some, rounded, strict=True):
            assert abs(share.part - cents.part) < Decimal("0.01")


# --- killed ---------------------------------------------------------------------------------------

DIE = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
from governance.config import load_config
from governance.home import Home
from governance.keys import load_keys
from orchestration.publishing import basis, publication, publish, restating, store
home = Home(Path(sys.argv[1]))
{where} = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
publish(home, load_config(home), load_keys(home), dbt_manifest=Path(sys.argv[2]), run_id="killed",
        now=datetime(2026, 7, 9, tzinfo=UTC))
"""


@pytest.fixture(scope="module")
def unpublished(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the home whose marts have newer rates than its last version."""
    root = tmp_path_factory.mktemp("unpublished") / "home"
    shutil.copytree(told.home.root, root, symlinks=True)
    home = Home(root)
    rates = [
        {"date": (START + timedelta(days=n)).date(), "currency": "USD", "rate": Decimal("0.8")}
        for n in range(-5, 60)
    ]
    run(
        root.parent / "stepwise",
        Plan(root, dbt_vars(load_config(home)), [Step([], told.said, rates)]),
    )
    return root


@pytest.mark.long
@pytest.mark.parametrize(
    "where",
    ["basis.remember", "restating.restate", "restating.append", "store.switch", "basis.confirm"],
)
def test_a_publish_killed_while_restating_logs_each_difference_once(
    told: Told, unpublished: Path, tmp_path: Path, where: str
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(unpublished, home.root, symlinks=True)
    manifest = unpublished.parent / "stepwise" / "target" / "manifest.json"
    killed = subprocess.run(
        [sys.executable, "-c", DIE.format(where=where), str(home.root), str(manifest)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    publish(
        home,
        load_config(home),
        load_keys(home),
        dbt_manifest=manifest,
        run_id="again",
        now=datetime(2026, 7, 10, tzinfo=UTC),
    )
    names = [version.name for version in reversed(versions(home))]
    assert names[:-1] == told.names
    after = Told(home, tmp_path, told.couples, names, told.said)
    wanted = expected(after, -1, lambda who: "configuration")
    assert wanted
    assert_alike(logged(after, -1), wanted)
    # and nothing of the version nobody saw
    before = read(told, -1, "from marts.ops_restatements")
    log = read(after, -1, "from marts.ops_restatements")
    assert len(log) == len(before) + len(wanted)
    assert set(before) <= set(log)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        kept = con.execute("select version from history.publications order by version").fetchall()
    assert [version for (version,) in kept] == names
