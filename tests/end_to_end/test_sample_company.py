"""The published sample company against its truth and against a recount from the raw inputs.

``recount`` shares nothing with the project. Who did an event is taken from the truth where it is
decidable; for the few events that no rule could place, the published person is taken, so that the
comparison is exact and covers every row of the marts. How much rests on the truth alone is
asserted.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pandas as pd
import pytest

from governance.home import Home
from ingestion.sample.measure import measure
from orchestration.dbt import manifest_path
from orchestration.instance import open_instance
from orchestration.translators import WarehouseTranslator
from tests.end_to_end import recount
from tests.end_to_end.conftest import bytes_of
from tests.end_to_end.recount import Landing, Row, Rows, Rules

Throughline = Callable[..., Any]

FUNNELS = ("activation", "purchase", "discovery")
LANDING_COLUMNS = {"landing_segment", "landing_position", "landing_item"}
# Versions of a row have a digest behind the row's own id, which a recount cannot know.
EVENT_ID = "case when {0}.source = 'shop' then regexp_replace({0}.event_id, ':[0-9a-f]{{32}}$', '')"
EVENT_ID += " else {0}.event_id end as event_id"
EVENTS = f"select * exclude (event_id), {EVENT_ID.format('fct_events')} from marts.fct_events"
LATE = "late-0001"
# From the configuration, or by publishing.
MADE_FROM_NO_COLUMN = {"int_funnel_exclusions", "int_funnels", "int_sources", "ops_restatements"}


class Marts:
    """The tables of one published file as plain values, persons under the truth's names."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.names: dict[str, str] = {}

    def rows(self, query: str, *key: str) -> Rows:
        """Rows by the values of ``key``; a key that comes twice is an error."""
        with duckdb.connect(str(self.file), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            relation = connection.sql(query)
            found = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
        for row in found:
            if row.get("person_id") in self.names:
                row["person_id"] = self.names[row["person_id"]]
        keyed = {tuple(row.pop(name) for name in key): row for row in found}
        assert len(keyed) == len(found), f"{key} is not unique"
        return keyed


@dataclass(frozen=True, slots=True)
class Company:
    """A published file beside what it must say."""

    marts: Marts
    rules: Rules
    landing: Landing
    events: pd.DataFrame
    sessions: Rows


def company_of(home: Home, truth: pd.DataFrame) -> Company:
    """Recounts the landing of a home."""
    marts = Marts(home.published / "analyst" / "current" / "analytics.duckdb")
    given = marts.rows(EVENTS, "source", "event_id")
    marts.names = recount.true_persons(truth, given)
    rules = recount.read_rules(home.root)
    landing = recount.read_landing(home.root, rules)
    assert set(zip(landing.events.source, landing.events.event_id, strict=True)) == set(given)
    landing = recount.with_persons(landing, truth, given, marts.names)
    return Company(marts, rules, landing, *recount.sessions(landing, rules))


def read_truth(home: Home) -> pd.DataFrame:
    return pd.read_parquet(home.truth / "events.parquet")


@pytest.fixture(scope="module")
def counted(company: Home) -> Company:
    return company_of(company, read_truth(company))


def differences(found: Rows, expected: Rows) -> dict[Any, Any]:
    """What differs, as {key: {column: (published, recounted)}}; only recounted columns count."""
    absent = dict.fromkeys(expected.keys() - found.keys(), "not published")
    absent |= dict.fromkeys(found.keys() - expected.keys(), "not expected")
    unequal = {
        key: {name: (found[key][name], value) for name, value in row.items()}
        for key, row in expected.items()
        if key in found and any(found[key][name] != value for name, value in row.items())
    }
    return absent | {
        key: {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
        for key, pairs in unequal.items()
    }


# the truth


def test_every_measured_number_equals_the_truth(company: Home, published: Path):
    found = {each.name: each for each in measure(published, company.truth)}
    assert [each for each in found.values() if not each.ok] == []
    right = found["decidable events with the right person"].published
    assert right > 0.9 * found["events accepted"].published
    assert found["persons merged wrongly"].published == 0
    assert {"net revenue in EUR, paid in EUR", "net revenue in EUR, paid in USD"} <= found.keys()


# the recount


def test_every_model_tells_which_columns_its_own_are_made_from(company: Home) -> None:
    nodes = json.loads(manifest_path(company).read_bytes())["nodes"].values()
    untold = set()
    with open_instance(company) as instance:
        for node in nodes:
            if node["resource_type"] != "model" or node["language"] != "sql":
                continue
            asset = WarehouseTranslator().get_asset_key(node)
            event = instance.get_latest_materialization_event(asset)
            assert event, node["name"]
            assert event.asset_materialization
            told = event.asset_materialization.metadata["dagster/column_lineage"].value
            if not told.deps_by_column:
                untold.add(node["name"])
    assert untold == MADE_FROM_NO_COLUMN


def test_every_event_has_its_time_person_session_and_amount(counted: Company):
    published = counted.marts.rows(
        f"select events.*, sessions.started_at as start from ({EVENTS}) as events"
        " left join marts.fct_sessions as sessions using (session_id)",
        *("source", "event_id"),
    )
    for (source, _), row in published.items():
        if source == "shop":  # received when the table was read, which no input tells
            row["received_at"] = None
    expected = {
        (event["source"], event["event_id"]): {
            "event_name": event["name"],
            "occurred_at": event["at"],
            "occurred_date": event["day"],
            "received_at": None if pd.isna(event["received_at"]) else event["received_at"],
            "person_id": event["person"] if isinstance(event["person"], str) else None,
            "start": None if pd.isna(event["start"]) else event["start"],
            "is_interactive": event["is_interactive"],
            "is_key_event": event["is_key"],
            "is_bot": event["is_bot"],
            "is_internal": event["is_internal"],
            "revenue_reporting": event["reporting"],
            "is_rate_missing": event["reporting"] is None and isinstance(event["order_id"], str),
        }
        for event in counted.events.to_dict("records")
    }
    assert differences(published, expected) == {}
    assert sum(row["revenue_reporting"] is not None for row in expected.values()) > 30


def test_sessions_equal_the_recount(counted: Company):
    published = counted.marts.rows("select * from marts.fct_sessions", "person_id", "started_at")
    assert differences(published, counted.sessions) == {}
    within = counted.events[counted.events.start.notna()].groupby(["person", "start"])
    by_truth_alone = within.decidable.all()
    people = by_truth_alone.index.isin(counted.marts.names.values(), level="person")
    assert by_truth_alone[people].mean() > 0.9
    assert by_truth_alone.mean() > 0.85  # the others are the kiosk's and of who never logged in
    several = [row for row in counted.sessions.values() if row["events"] > 1]
    assert len(several) > 0.5 * len(counted.sessions)
    assert any(row["revenue_reporting"] for row in counted.sessions.values())


def test_a_session_of_one_event_took_no_time_and_is_a_bounce(counted: Company):
    published = counted.marts.rows(
        "select * from marts.fct_sessions where events = 1", "session_id"
    )
    assert len(published) > 10
    assert {row["engaged_seconds"] for row in published.values()} == {0}
    assert any(row["is_bounce"] for row in published.values())


@pytest.mark.parametrize("name", FUNNELS)
def test_funnel_entries_and_their_report_equal_the_recount(counted: Company, name: str):
    assert {funnel["name"] for funnel in counted.rules.funnels} == set(FUNNELS)
    funnel = next(funnel for funnel in counted.rules.funnels if funnel["name"] == name)
    expected = recount.entries(counted.landing, funnel)
    published = counted.marts.rows(
        f"select * from marts.fct_funnel_entries where funnel = '{name}'",
        *("person_id", "entry_date"),
    )
    assert differences(published, expected) == {}
    assert any(entry["converted"] for entry in expected.values())
    assert not all(entry["converted"] for entry in expected.values())
    report = counted.marts.rows(
        f"select * from marts.rpt_funnel_daily where funnel = '{name}' and segment_set = 'all'",
        *("entry_date", "step"),
    )
    assert differences(report, recount.funnel_days(expected, funnel)) == {}


def test_daily_actives_equal_the_recount(counted: Company):
    published = counted.marts.rows(
        "select * from marts.rpt_active_daily", "active_date", "segment_set", "segment"
    )
    expected = recount.actives(counted.landing, counted.rules)
    assert differences(published, expected) == {}
    assert any(row["dau"] < row["wau"] < row["mau"] for row in expected.values())


def test_daily_metrics_and_revenue_equal_the_recount(counted: Company):
    labels = counted.marts.rows(
        "select person_id, started_at, surface, coalesce(platform, '(none)') as platform, channel,"
        " coalesce(country, '(none)') as country from marts.fct_sessions",
        *("person_id", "started_at"),
    ) | counted.marts.rows(
        f"select events.source, {EVENT_ID.format('events')}, events.surface,"
        " coalesce(events.platform, '(none)') as platform,"
        " coalesce(sessions.channel, '(none)') as channel,"
        " coalesce(events.country, '(none)') as country from marts.fct_events as events"
        " left join marts.fct_sessions as sessions using (session_id)",
        *("source", "event_id"),
    )
    published = counted.marts.rows(
        "select * from marts.rpt_metrics_daily",
        *("metric_date", "surface", "platform", "channel", "country"),
    )
    expected = recount.metrics(
        counted.landing, counted.events, counted.sessions, labels, counted.rules
    )
    assert differences(published, expected) == {}
    assert sum(row["refunds"] for row in expected.values()) > 0


# revenue, and who else tells of it


def test_every_sale_counts_once_however_many_tell_of_it(counted: Company):
    published = counted.marts.rows("select * from marts.rpt_revenue_daily", "revenue_date")
    expected = recount.revenue_days(counted.landing.events)
    quiet = dict.fromkeys(next(iter(expected.values())), 0)
    expected |= dict.fromkeys(published.keys() - expected.keys(), quiet)
    assert differences(published, expected) == {}
    orders = counted.marts.rows("select * from marts.fct_orders where is_paid", "order_key")
    assert len(orders) == sum(row["orders"] for row in expected.values())
    everywhere = [row for row in orders.values() if row["other_sources"] is not None]
    assert any(row["other_sources"] == "payments,shop,web" for row in everywhere)
    assert {row["source"] for row in everywhere} == {"backend"}
    assert [row for row in orders.values() if row["differing_sources"]] == []


def test_months_of_revenue_equal_the_truth_on_both_sides_of_the_cut_over(
    company: Home, published: Path
):
    query = """
        with told as (
            select
                strftime(revenue_date, '%Y-%m') as month, sum(gross_reporting) as gross,
                sum(refunds_reporting) as refunds, sum(net_reporting) as net
            from marts.rpt_revenue_daily group by month
        ), days as (
            -- rounded where the mart rounds: a day at a time
            select
                cast(timezone('Europe/Berlin', occurred_at at time zone 'UTC') as date) as day,
                cast(coalesce(sum(amount_reporting) filter (amount > 0), 0) as decimal(18, 2))
                    as gross,
                cast(coalesce(-sum(amount_reporting) filter (amount < 0), 0) as decimal(18, 2))
                    as refunds
            from read_parquet($truth) group by day
        ), truth as (
            select
                strftime(day, '%Y-%m') as month, sum(gross) as gross, sum(refunds) as refunds,
                sum(gross - refunds) as net
            from days group by month
        )
        select month, told.gross, truth.gross, told.refunds, truth.refunds, told.net, truth.net
        from told full join truth using (month) order by month
    """
    with duckdb.connect(str(published), read_only=True) as connection:
        truth = str(company.truth / "purchases.parquet")
        months = connection.execute(query, {"truth": truth}).fetchall()
    assert [row for row in months if row[1::2] != row[2::2]] == []
    assert [row[0] for row in months] == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert all(row[1] > 0 for row in months)


def test_what_others_tell_of_sales_is_matched_with_them(counted: Company):
    published = counted.marts.rows(
        "select source, sum(orders) as orders, sum(matched) as matched,"
        " sum(amount_equal) as amount_equal, sum(unmatched) as unmatched"
        " from marts.rpt_revenue_matches group by source",
        "source",
    )
    expected = recount.orders_by_source(counted.landing.events)
    assert differences(published, {(name,): row for name, row in expected.items()}) == {}
    assert expected.keys() == {"web", "mobile", "payments", "shop"}
    assert all(row["matched"] == row["amount_equal"] > 0 for row in expected.values())


# consent


def test_the_ledger_denies_what_the_events_themselves_allow(counted: Company):
    published = counted.marts.rows(
        "select source, sum(denied_by_ledger) as events from marts.rpt_consent"
        " group by source having events > 0",
        "source",
    )
    denied = counted.landing.denied
    assert differences(published, {(name,): {"events": n} for name, n in denied.items()}) == {}
    assert sum(denied.values()) > 10


# versions


@pytest.fixture(scope="module")
def private(company: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A copy of the company that may be written to."""
    root = tmp_path_factory.mktemp("private") / "home"
    shutil.copytree(company.root, root, symlinks=True)
    return Home(root)


def versions(home: Home) -> list[str]:
    return sorted(
        file.parent.name for file in (home.published / "analyst").glob("2*/manifest.json")
    )


def current(home: Home) -> str:
    return (home.published / "analyst" / "current").readlink().name


def late_view(company: Company, truth: pd.DataFrame, home: Home) -> tuple[Row, Row]:
    """One more screen view, ten minutes after somebody's last event, as line and as truth.

    It comes from a device only that person uses, whose clock is an hour fast, and is received
    hours later, yet before the end of the data: that it counts is all it changes.
    """
    users = truth[truth.disposition == "accepted"].fillna({"expected_person": "?"})
    owners = users.groupby("device").expected_person.agg(set)
    told = truth.set_index(["source", "event_id"])
    events = company.events[company.events.is_interactive & company.events.person.notna()]
    for event in events.drop_duplicates("person", keep="last").to_dict("records"):
        known = told.loc[event["source"], event["event_id"]]
        at, received = event["at"] + timedelta(minutes=10), event["at"] + timedelta(hours=3)
        if event["source"] != "mobile" or event["is_bot"] or pd.isna(known.stated_user_id):
            continue
        if owners[known.device] != {event["person"]} or received > company.landing.data_until:
            continue
        if at.tz_localize("UTC").tz_convert(company.rules.zone).date() == event["day"]:
            break
    else:
        pytest.fail("the sample has nobody whose last event would do")
    fast = timedelta(hours=1)
    line = recount.native_line(home.root, "mobile", event["event_id"]) | {
        "event_id": LATE,
        "event_name": "screen",
        "event_type": "screen",
        "occurred_at": f"{(at + fast).isoformat(timespec='milliseconds')}Z",
        "sent_at": f"{(received + fast).isoformat(timespec='milliseconds')}Z",
        "received_at": f"{received.isoformat(timespec='milliseconds')}Z",
        "properties": {"name": "Orders"},
    }
    line.pop("revenue", None)
    return line, known.to_dict() | {"source": "mobile", "event_id": LATE}


def changes(old: Marts, new: Marts, mart: str, *key: str) -> dict[Any, Any]:
    """Per row of ``mart`` that differs: what it was and what it is."""
    before, after = (each.rows(f"select * from marts.{mart}", *key) for each in (old, new))
    return {
        row: (before.get(row), after.get(row))
        for row in before.keys() | after.keys()
        if before.get(row) != after.get(row)
    }


def contents(file: Path) -> dict[str, Counter[tuple[Any, ...]]]:
    """The rows of every published mart, without the columns that name a place in landing.

    The logs (``ops_``) tell of builds, which are others in another home.
    """
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        marts = connection.sql("select name from (show all tables)").fetchall()
        found = {}
        for (mart,) in marts:
            if mart.startswith("ops_"):
                continue
            relation = connection.sql(f"select * from marts.{mart}")
            kept = [f'"{name}"' for name in relation.columns if name not in LANDING_COLUMNS]
            found[mart] = Counter(relation.select(", ".join(kept)).fetchall())
    return found


def test_an_hourly_run_without_new_input_publishes_nothing_and_the_next_one_builds_nothing(
    private: Home, throughline: Throughline
):
    before = versions(private), bytes_of(private)
    rebuilt = throughline(private, "run", "hourly")  # in its new place all is built once more
    idle = throughline(private, "run", "hourly")
    for done in (rebuilt, idle):
        assert "Nothing changed; still" in done.stdout + done.stderr
    assert "building" not in idle.stdout + idle.stderr
    assert "Blocking" not in idle.stdout + idle.stderr
    assert (versions(private), bytes_of(private)) == before


def test_a_late_event_makes_one_new_version_and_a_rollback_brings_the_old_one_back(
    company: Home, private: Home, throughline: Throughline
):
    truth, kept, old = read_truth(company), versions(private), current(private)
    was = company_of(private, truth)
    line, told = late_view(was, truth, private)
    with max((private.landing / "mobile").rglob("*.jsonl")).open("a") as segment:
        segment.write(json.dumps(line) + "\n")
    for command in ("load", "build", "publish"):
        throughline(private, command)
    assert versions(private) == [*kept, current(private)]

    now = company_of(private, pd.concat([truth, pd.DataFrame([told])], ignore_index=True))
    published = now.marts.rows("select * from marts.fct_sessions", "person_id", "started_at")
    assert differences(published, now.sessions) == {}
    before = Marts(private.published / "analyst" / old / "analytics.duckdb")
    after = Marts(private.published / "analyst" / current(private) / "analytics.duckdb")
    (event,) = changes(before, after, "fct_events", "source", "event_id").items()
    assert event[0] == ("mobile", LATE)
    assert event[1][0] is None
    ((shorter, longer),) = changes(before, after, "fct_sessions", "session_id").values()
    assert longer["events"] == shorter["events"] + 1
    assert longer["ended_at"] == shorter["ended_at"] + timedelta(minutes=10)
    numbers, new_numbers = contents(before.file), contents(after.file)
    assert {mart for mart in numbers if numbers[mart] != new_numbers[mart]} == {
        *("fct_events", "fct_sessions", "fct_page_views", "dim_persons", "dim_devices"),
        *("bridge_identities", "bridge_identity_evidence"),
        *("rpt_metrics_daily", "rpt_pages", "rpt_paths", "rpt_pipeline", "rpt_consent"),
    }

    throughline(private, "publish", "--rollback", old)
    assert current(private) == old
    assert len(versions(private)) == len(kept) + 1
    assert contents(private.published / "analyst" / "current" / "analytics.duckdb") == numbers
    published = was.marts.rows("select * from marts.fct_sessions", "person_id", "started_at")
    assert differences(published, was.sessions) == {}


# order


def rename_history(old: Path, new: Path, load: int) -> None:
    """Every other file of the history under another name; the one that came twice is parted."""
    new.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(old.iterdir())):
        if number % 2 != load:
            shutil.copy(path, new / f"{9 - load}-{path.name}")


@pytest.mark.long
def test_the_same_lines_in_other_files_and_two_loads_give_the_same_tables(
    company: Home, published: Path, tmp_path: Path, throughline: Throughline
):
    home = Home(tmp_path / "home")
    home.root.mkdir()
    for path in (company.config, company.root / "exchange_rates.csv"):
        shutil.copy(path, home.root / path.name)
    shutil.copytree(company.contracts, home.contracts)
    shutil.copytree(company.keys, home.keys)
    # what was read of the database lies beside its source: the moment of reading is part of it
    shutil.copytree(company.root / "sources", home.root / "sources")
    shutil.copytree(company.landing / "shop", home.landing / "shop")
    chance = Random(7)
    for load in range(2):
        rename_history(company.landing / "history", home.landing / "history", load)
        for source in recount.LANDED:
            lines = list(recount.lines(company.landing / source))[load::2]
            chance.shuffle(lines)
            folder = home.landing / source / "merged"
            folder.mkdir(parents=True, exist_ok=True)
            half = len(lines) // 2
            # what is loaded second sorts first
            for path, part in (
                (folder / f"{9 - load}.jsonl", lines[:half]),
                (folder.parent / f"{9 - load}.jsonl.gz", lines[half:]),
            ):
                content = b"".join(line + b"\n" for line in part)
                path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
        throughline(home, "load")
    for command in ("build", "publish"):
        throughline(home, command)
    rearranged = contents(home.published / "analyst" / "current" / "analytics.duckdb")
    arranged = contents(published)
    assert rearranged.keys() == arranged.keys()
    assert [mart for mart, rows in arranged.items() if rearranged[mart] != rows] == []
    assert sum(map(len, arranged.values())) > 5_000
