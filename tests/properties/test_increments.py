"""Built load by load equals built at once, to the row, for every table.

Fifty lives (lives.py) and as many worlds of identity arrive in twenty loads, out of order, twice,
late, judged anew; the third load comes with another configuration. In one more all that happens is
that time passes and some of it is taken back or mended: what no event touches must be found by its
deadline, or by the correction alone. After each load the home is built; in the end every table is
compared with a build of the same records from nothing. The same
home is audited, as it is and after somebody altered its rows.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from governance.config import dbt_vars, load_config
from governance.errors import BlockedError, UserError
from governance.home import Home
from governance.keys import FILES, load_keys
from governance.warehouse import open_warehouse, warehouse_lock
from orchestration.audit import MOST_ROWS, AuditReport, audit
from orchestration.cli.entry import run as throughline
from orchestration.dbt import manifest_path, target_folder
from orchestration.inputs import built_from, doubt, finish_build, inputs_digest, require_proven
from tests.properties.configured import configure, configured_home
from tests.properties.lives import Life, come_again, interrupted, passed, rates, variables
from tests.properties.stepwise import Plan, Step, run
from tests.properties.warehouse import PROJECT, make_home
from tests.properties.worlds import random_world, raw_overrides, raw_rows

SEED = 20260511
# The step that comes with another configuration: early, for what it rebuilds is right again.
RECONFIGURED = 2
SCHEMAS = ("staging", "intermediate", "marts")
# Which signals were ever seen: nothing joins those no event has any more.
REGISTRIES = {"int_traffic_signals"}


@dataclass(frozen=True)
class Size:
    lives: int
    moves: int
    steps: int
    scope: str = "person"
    max_length_seconds: int | None = None


@dataclass(frozen=True)
class Built:
    """``told``: per step and model how it was built. The last step brings one event."""

    home: Home
    manifest: Path
    stepwise: Path
    at_once: Path
    told: list[dict[str, dict]]
    last: str  # the segment of the life the last event belongs to
    lives: int


SIZES = [
    pytest.param(Size(50, 30, 20, max_length_seconds=7200), id="fifty"),
    pytest.param(Size(1000, 40, 30), id="thousand", marks=pytest.mark.long),
    pytest.param(Size(200, 40, 20, scope="device"), id="device", marks=pytest.mark.long),
    pytest.param(Size(200, 40, 20, scope="client"), id="client", marks=pytest.mark.long),
]


@pytest.fixture(scope="module", params=SIZES)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    size: Size = request.param
    root = tmp_path_factory.mktemp("increments")
    home = configured_home(root / "home")
    use_known_keys(home)
    told = variables(size.scope, size.max_length_seconds)
    steps = steps_of(size)
    plan = Plan(home.root, dbt_vars(configure(home, told)), steps)

    one_more = like_one_that_counts(steps)
    last = Step([one_more], steps[-1].overrides, steps[-1].rates)
    plan.steps.append(last)
    changed = dbt_vars(configure(home, with_other_windows(told)))
    steps[RECONFIGURED].variables = changed
    how = run(root / "stepwise", plan)

    # in slices, as a home of millions is
    at_once = changed | {"tl_slice_rows": 100}
    again = from_nothing(home, root / "again", Step([], last.overrides, last.rates), at_once)
    manifest = root / "stepwise" / "target" / "manifest.json"
    last_segment = one_more["segment"]
    return Built(home, manifest, home.warehouse, again.warehouse, how, last_segment, size.lives)


def use_known_keys(home: Home) -> None:
    """The same people in every run: who is drawn for an audit depends on their ids."""
    for name in FILES:
        (home.keys / name).write_text(hashlib.sha256(f"{SEED} {name}".encode()).hexdigest() + "\n")


def from_nothing(home: Home, folder: Path, step: Step, variables: dict) -> Home:
    """Another home with the records of this one, built at once."""
    again = make_home(folder / "home")
    shutil.rmtree(again.root)
    shutil.copytree(home.root, again.root)
    with duckdb.connect(str(again.warehouse)) as con:
        for schema in (*SCHEMAS, "increments"):
            con.execute(f"drop schema {schema} cascade")
    run(folder / "at_once", Plan(again.root, variables, [step]))
    return again


def steps_of(size: Size) -> list[Step]:
    """What the loads bring; behind the last of them everybody is quiet."""
    steps = [Step([], rates=rates(number)) for number in range(size.steps + 1)]
    for seed in range(size.lives):
        rng = random.Random(f"{SEED} {seed}")
        for part in Life(f"l{seed:04}", rng, size.steps, seed).live(size.moves):
            steps[part.step].events += raw_rows([part.row])
        steps[-2].events += raw_rows(come_again(f"l{seed:04}"))
        world = random_world(f"w{seed:04}", rng)
        for row in raw_rows(world.records):
            steps[rng.randrange(size.steps)].events.append(row)
        for line in raw_overrides(world.statements):
            for step in steps[rng.randrange(size.steps) :]:
                step.overrides.append(line)
    attempt, interruption = interrupted()
    steps[0].events += raw_rows(attempt)
    steps[-2].events += raw_rows(interruption)
    steps[-1].events += raw_rows(passed())
    for step in steps:
        random.Random(SEED).shuffle(step.events)
    return steps


def with_other_windows(variables: dict) -> dict:
    funnels = [f | {"window_seconds": f["window_seconds"] // 2} for f in variables["tl_funnels"]]
    return variables | {"tl_funnels": funnels}


def like_one_that_counts(steps: list[Step]) -> dict:
    """One more page view, of a file that was read once."""
    rows = [row for step in steps for row in step.events if row["segment"].startswith("l")]
    again = {row["segment"] for row in rows if row.get("generation")}
    row = next(r for r in rows if r["source"] == "web" and r["segment"] not in again)
    return row | {"dedupe_key": "one_more", "event_id": "one_more", "position": 10_000}


def tables(warehouse: Path) -> list[str]:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        found = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables() order by all"
        ).fetchall()
    named = [name for (name,) in found if name.split(".")[0] in SCHEMAS]
    return [n for n in named if n.split(".")[1] not in REGISTRIES and ".ops_" not in n]


def is_by_key(model: str) -> bool:
    paths = (PROJECT / "models").glob(f"*/{model}.*")
    return any(re.search("materialized=.by_key", path.read_text()) for path in paths)


def compared(stepwise: Path, at_once: Path) -> tuple[list[str], list[str]]:
    """Rows of any table that only one of two warehouses has; and the tables without rows."""
    names = tables(at_once)
    assert tables(stepwise) == names
    assert len(names) > 50
    differences, empty = [], []
    with duckdb.connect() as con:
        con.execute(f"attach '{stepwise}' as stepwise (read_only)")
        con.execute(f"attach '{at_once}' as at_once (read_only)")
        for name in names:
            rows = con.execute(f"select count(*) from at_once.{name}").fetchall()[0][0]
            if not rows:
                empty.append(name)
            for left, right in (("stepwise", "at_once"), ("at_once", "stepwise")):
                found = con.execute(
                    f"from {left}.{name} except all from {right}.{name} order by all limit 3"
                ).fetchall()
                differences += [f"{name}, only {left}: {row}" for row in found]
    return differences, empty


def test_every_table_equals_a_build_from_nothing(built: Built) -> None:
    differences, empty = compared(built.stepwise, built.at_once)
    assert not differences, "\n".join(differences)
    assert not empty, "nothing was compared"


# Each finds the rows on which two marts disagree.
AGREEMENTS = {
    "views share out the engaged time of their session": """
        select session_id from marts.fct_sessions as sessions
        inner join (
            select session_id, sum(engaged_seconds) as seconds, count(*) as views
            from marts.fct_page_views where view_number is not null group by all
        ) as shared using (session_id)
        where abs(sessions.engaged_seconds - shared.seconds) > 1e-6
            or sessions.views <> shared.views
    """,
    "sessions with views have them as rows": """
        select session_id from marts.fct_sessions where views > 0
        except all
        select session_id from marts.fct_page_views where is_entry
    """,
    "a session converted where it has a conversion": """
        (select session_id from marts.fct_sessions where converted
         except select session_id from marts.fct_conversions)
        union all
        (select session_id from marts.fct_conversions where session_id is not null
         except select session_id from marts.fct_sessions where converted)
    """,
    "conversions are those of the daily report": """
        select day, sum(conversions) from (
            select metric_date as day, conversions from marts.rpt_metrics_daily
            union all
            select occurred_date, -count(*) from marts.fct_conversions
            where not is_bot and not is_internal group by all
        ) group by day having sum(conversions) <> 0
    """,
    "the persons of a window are its monthly actives": """
        select active_date from marts.rpt_active_daily
        left join (
            select window_end as active_date, sum(persons) as persons
            from marts.rpt_stickiness group by all
        ) using (active_date)
        where segment_set = 'all' and mau is distinct from persons
    """,
    "whoever comes to a page leaves it one step later": """
        select week_start, step, page, sum(sessions) from (
            select week_start, step_number + 1 as step, to_page as page, sessions
            from marts.rpt_paths where step_number < 10 and to_page <> '(exit)'
            union all
            select week_start, step_number, from_page, -sessions
            from marts.rpt_paths where step_number > 1
        ) group by all having sum(sessions) <> 0
    """,
    "who purchased has a first order": """
        (select person_id, ordered_at from marts.fct_orders where is_first_order
         except all select person_id, first_ordered_at from marts.dim_persons)
        union all
        (select person_id, first_ordered_at from marts.dim_persons
         where seconds_to_purchase is not null
         except all select person_id, ordered_at from marts.fct_orders where is_first_order)
    """,
}


@pytest.mark.parametrize("agreement", AGREEMENTS)
def test_marts_agree_with_each_other(built: Built, agreement: str) -> None:
    with duckdb.connect(str(built.at_once), read_only=True) as con:
        assert con.execute(AGREEMENTS[agreement]).fetchall() == []


def test_it_was_built_by_key(built: Built) -> None:
    """Whoever rebuilds everything is exact too; that is not what is proved here."""
    first, *later = built.told
    assert {row["strategy"] for row in first.values()} == {"full"}
    rebuilt = {
        f"{model} at step {number}: {row['strategy']}, {row['reason']}"
        for number, step in enumerate(later, start=2)
        for model, row in step.items()
        if number != RECONFIGURED + 1
        and is_by_key(model)
        and row["strategy"] not in ("by key", "kept")
    }
    assert not rebuilt


def test_components_that_nothing_touched_are_not_solved_again(built: Built) -> None:
    with duckdb.connect(str(built.stepwise), read_only=True) as con:
        rows = con.execute("select count(*) from intermediate.int_identity_components").fetchall()
    computed = [step["int_identity_components"]["computed_rows"] for step in built.told[1:]]
    assert sum(computed) > rows[0][0]
    assert max(computed[len(computed) // 2 :]) < rows[0][0] / 4


def test_one_event_computes_a_few_rows(built: Built) -> None:
    """At most five times the rows of the life it belongs to."""
    with duckdb.connect(str(built.stepwise), read_only=True) as con:
        own, others = con.execute(
            "select count(*) filter (segment = ?), count(*) from raw.events",
            [built.last],
        ).fetchall()[0]
    assert own * 10 < others
    computed = {
        model: row["computed_rows"]
        for model, row in built.told[-1].items()
        if row["strategy"] == "by key" and row["computed_rows"] > 5 * own
    }
    assert not computed
    assert built.told[-1]["int_events"]["changed_rows"] == 1


def test_time_goes_on_from_load_to_load_and_decides_at_last(built: Built) -> None:
    """Else no deadline ever passes, and what depends on one is not tested."""
    moved = [step["int_data_until"]["changed_rows"] for step in built.told[1:-1]]
    assert sum(bool(rows) for rows in moved) > len(moved) * 0.8
    # most last sessions were open, and end in a load in which nobody does anything
    assert built.told[-2]["fct_sessions"]["touched_keys"] > built.lives / 2


def test_only_rows_that_differ_are_written(built: Built) -> None:
    """The last rows of a table are those its log says came last, though their keys have more."""
    written, others = set(), []
    with duckdb.connect(str(built.stepwise), read_only=True) as con:
        names = {name.split(".")[1]: name for name in tables(built.stepwise)}
        for model, row in built.told[-1].items():
            if model not in names or not row["changed_rows"]:
                continue
            con.execute(
                f"create or replace temp table came as select * exclude (_sign, _version)"
                f" from increments.{model} where _sign = 1"
                f" and _version = (select max(_version) from increments.{model})"
            )
            found = con.execute(
                f"(from {names[model]} order by rowid desc limit (select count(*) from came))"
                " except all from came"
            ).fetchall()
            others += [f"{model} wrote {each}" for each in found]
            written.add(model)
    assert not others, "\n".join(others)
    assert written >= {
        "int_session_events",
        "int_event_persons",
        "bridge_identities",
        "fct_sessions",
    }


def test_another_configuration_rebuilds_what_depends_on_it_and_says_why(built: Built) -> None:
    expected = {
        "int_funnel_ordered_attempts": "int_funnels changed",
        "int_funnel_walked_attempts": "int_funnels changed",
        "int_funnel_unordered_attempts": "int_funnels changed",
        "fct_funnel_entries": "int_funnels changed",
    }
    rebuilt = {
        model: row["reason"]
        for model, row in built.told[RECONFIGURED].items()
        if is_by_key(model) and row["strategy"] not in ("by key", "kept")
    }
    assert rebuilt == expected
    assert built.told[RECONFIGURED]["int_funnels"]["reason"] == "its code or configuration changed"


# --- audits of the same home ------------------------------------------------------------------


@pytest.fixture
def audited_home(built: Built) -> Iterator[Home]:
    """The home as after a build; what a test does to its warehouse is undone."""
    home = built.home
    kept = home.root / "kept.duckdb"
    with warehouse_lock(home, "test"), opened(home) as con:
        digest = inputs_digest(home, load_config(home), con)
    finish_build(home, digest)
    manifest_path(home).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(built.manifest, manifest_path(home))
    shutil.copy(home.warehouse, kept)
    yield home
    kept.replace(home.warehouse)
    (home.dagster / "audit.json").unlink(missing_ok=True)
    shutil.rmtree(target_folder(home))


def opened(home: Home) -> duckdb.DuckDBPyConnection:
    return open_warehouse(home, keys=load_keys(home))


def audit_of(
    home: Home,
    seed: int,
    persons: int | None = None,
    *,
    full: bool = False,
    most_rows: int = MOST_ROWS,
) -> AuditReport:
    return audit(
        home,
        load_config(home),
        load_keys(home),
        dbt_manifest=manifest_path(home),
        seed=seed,
        persons=persons,
        full=full,
        most_rows=most_rows,
    )


def chosen(home: Home, seed: int, persons: int) -> list[str]:
    """Whom a seed chooses, as the documentation says it."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        everybody = con.execute(
            "select distinct person_id from ("
            "select person_id from marts.fct_events union all"
            " select person_id from marts.bridge_identities union all"
            " select device_key from marts.dim_devices union all"
            " select person_id from intermediate.int_identity_nodes)"
            " where person_id is not null"
        ).fetchall()
    order = {p: hashlib.sha256(f"{seed} {p}".encode()).hexdigest() for (p,) in everybody}
    return sorted(order, key=order.__getitem__)[:persons]


SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2, 12))]


@pytest.mark.parametrize("seed", SEEDS)
def test_an_audit_of_an_undisturbed_home_finds_nothing(audited_home: Home, seed: int) -> None:
    persons = 200 if seed % 2 else 7  # many that meet in one scratch warehouse, or few
    report = audit_of(audited_home, seed, persons)
    assert not report.mismatches, "\n".join(map(str, report.mismatches))
    assert (report.persons, report.left_out) == (persons, 0)
    assert report.unknown_names  # of rows that do not count
    assert doubt(audited_home) is None
    assert not (audited_home.dagster / "audit").exists()
    with duckdb.connect(str(audited_home.warehouse), read_only=True) as con:
        rows = con.execute("select count(*) from raw.events").fetchall()[0][0]
        con.execute(
            "create temp table chosen as select unnest(?) as person_id",
            [chosen(audited_home, seed, persons)],
        )
        reasons = con.execute(
            "select distinct set_aside_reason"
            " from marts.bridge_identity_evidence as evidence"
            " semi join (select kind, value from intermediate.int_identity_nodes"
            " semi join chosen using (person_id)) as own"
            " on own.kind = evidence.higher_kind and own.value = evidence.higher_value"
            " or own.kind = evidence.lower_kind and own.value = evidence.lower_value"
        ).fetchall()
        shared = con.execute(
            "select count(*), count(*) filter (is_kiosk) from marts.dim_devices"
            " where persons > 1 and device_key in (select device_key"
            " from intermediate.int_event_persons semi join chosen using (person_id))"
        ).fetchall()[0]
    assert report.raw_rows < rows
    if persons == 200:
        assert all(report.rows.values()), report.rows
    if seed == SEEDS[0]:  # who is drawn has met everything; others that are drawn need not
        expected = {"hub", "conflict", "null_like", "untrusted", "never_link", "interval"}
        assert expected <= {reason for (reason,) in reasons}
        assert min(shared) > 0, shared


def test_an_audit_of_too_many_rows_keeps_one_person_and_leaves_the_rest_out(
    audited_home: Home,
) -> None:
    report = audit_of(audited_home, 1, 2, most_rows=1)
    assert (report.persons, report.left_out, report.unknown_names) == (1, 1, 0)
    assert report.passed


def test_a_full_audit_after_many_increments_finds_nothing(audited_home: Home) -> None:
    report = audit_of(audited_home, 1, full=True)
    assert not report.mismatches, "\n".join(map(str, report.mismatches))
    assert report.persons is None
    assert {"rpt_metrics_daily", "rpt_retention", "fct_sessions"} <= report.rows.keys()
    assert not any(name.startswith("ops_") for name in report.rows)


def test_an_altered_a_deleted_and_an_added_row_are_found_and_nothing_is_published(
    audited_home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    persons = chosen(audited_home, 3, 40)
    with duckdb.connect(str(audited_home.warehouse)) as con:
        con.execute("create temp table chosen as select unnest(?) as person_id", [persons])
        of_chosen = "marts.fct_events semi join chosen using (person_id) where event_key"
        session = con.execute(
            "select min(session_id) from marts.fct_sessions semi join chosen using (person_id)"
        ).fetchall()[0][0]
        # two events of no session, so that only fct_events and what counts events know them
        gone, copied = (
            row[0]
            for row in con.execute(
                f"select event_key from {of_chosen} is not null order by event_key limit 2"
            ).fetchall()
        )
        con.execute("update marts.fct_sessions set views = 77 where session_id = ?", [session])
        con.execute(
            "insert into intermediate.int_events select * replace ('planted' as event_key)"
            " from intermediate.int_events where event_key = ?",
            [copied],
        )
        con.execute(
            "insert into intermediate.int_event_persons select * replace ('planted' as event_key)"
            " from intermediate.int_event_persons where event_key = ?",
            [copied],
        )
        con.execute("delete from intermediate.int_events where event_key = ?", [gone])
    require_proven(audited_home)

    told = ["--json", "--home", str(audited_home.root), "audit", "--seed", "3", "--persons", "40"]
    assert throughline(told) == 3
    answer = json.loads(capsys.readouterr().out)
    assert not answer["passed"]
    assert answer["differing"] == {"fct_events": 2, "fct_sessions": 1}
    found = {
        (each["mart"], next(iter(each["key"].values()))): each for each in answer["mismatches"]
    }
    altered = found["fct_sessions", session]
    assert altered["verdict"] == "differs"
    assert [each["column"] for each in altered["differences"]] == ["views"]
    assert altered["differences"][0]["stands"] == "77"
    assert found["fct_events", gone]["verdict"] == "missing"
    assert found["fct_events", "planted"]["verdict"] == "not in raw"
    with duckdb.connect(str(audited_home.warehouse), read_only=True) as con:
        for each in found.values():
            place = each["input"]
            counted = con.execute(
                "select count(*) from raw.events"
                " where (source, segment, position, item) = (?, ?, ?, ?)",
                [place[name] for name in ("source", "segment", "position", "item")],
            ).fetchall()[0][0]
            assert counted, each

    with pytest.raises(BlockedError, match="an audit found 3 rows"):
        require_proven(audited_home)
    # the same people come first in the next audit, whatever its seed, and it clears them
    shutil.copy(audited_home.root / "kept.duckdb", audited_home.warehouse)
    assert audit_of(audited_home, 4, 1).passed
    require_proven(audited_home)


def test_somebody_who_is_missing_altogether_is_found_by_the_audit_of_somebody_else(
    audited_home: Home,
) -> None:
    everybody = chosen(audited_home, 5, 10**6)
    of_missing = "where person_id = (from missing)"
    with duckdb.connect(str(audited_home.warehouse)) as con:
        found = con.execute("select person_id from marts.dim_persons").fetchall()
        persons = {person for (person,) in found}
        # the last by this seed who did anything: not who is chosen
        missing = [each for each in everybody[1:] if each in persons][-1]
        con.execute("create temp table missing as select ? as person_id", [missing])
        con.execute(
            "delete from intermediate.int_events where event_key in"
            f" (select event_key from intermediate.int_event_persons {of_missing})"
        )
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_columns()"
            " join duckdb_tables() using (database_name, schema_name, table_name)"
            " where column_name = 'person_id' and schema_name in ('intermediate', 'marts')"
        ).fetchall():
            con.execute(f"delete from {schema}.{table} {of_missing}")
    report = audit_of(audited_home, 5, 1)
    assert report.differing["dim_persons"] == 1
    assert {each.verdict for each in report.mismatches if each.mart != "dim_devices"} == {"missing"}
    assert missing in {each.person for each in report.mismatches}
    # whoever is not there can not be chosen again, so that only a full audit clears this
    assert not audit_of(audited_home, 5, full=True).passed
    shutil.copy(audited_home.root / "kept.duckdb", audited_home.warehouse)
    assert audit_of(audited_home, 5, 1).passed
    with pytest.raises(BlockedError, match="an audit found"):
        require_proven(audited_home)
    assert audit_of(audited_home, 5, full=True).passed
    require_proven(audited_home)


def test_marts_of_other_inputs_are_not_audited(audited_home: Home) -> None:
    finish_build(audited_home, "of another configuration", ["a failed check"])
    assert built_from(audited_home) == "of another configuration"
    with pytest.raises(UserError, match="There are no marts to audit"):
        audit_of(audited_home, 1)
