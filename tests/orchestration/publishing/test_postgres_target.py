"""Publishing to a PostgreSQL schema: replaced as a whole, and nobody who reads is disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from governance.config import load_config
from orchestration.publishing import (
    current_version,
    deliver,
    deliver_behind,
    postgres_swap,
    target_states,
)
from tests.conftest import ROOT


@pytest.fixture
def bi(shop, postgres: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[tuple]]:
    """The shop publishes to a schema ``analytics``; the result runs a statement there."""
    monkeypatch.setenv("BI_URL", postgres)
    configure(shop)

    def run(sql: str) -> list[tuple]:
        with psycopg.connect(postgres, autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    return run


def configure(shop) -> None:
    target = "{name: bi, postgres: env:BI_URL, schema: analytics}"
    shop.home.config.write_text(
        shop.home.config.read_text() + f"\npublish:\n  to:\n    - {target}\n"
    )
    shop.config = load_config(shop.home)


def send(shop) -> Any:
    (delivery,) = deliver_behind(shop.home, shop.config, shop.keys)
    return delivery


def change(shop) -> None:
    shop.execute("update marts.rpt_daily set persons = persons + 1")
    shop.publish()


def schemas(bi) -> list[str]:
    return [n for (n,) in bi("select nspname from pg_namespace where nspname ~ '^analytics'")]


TYPES = """
create or replace table marts.rpt_daily as select * from (values
  (true, 1::tinyint, 2::integer, 9223372036854775807, 1.10::decimal(18, 2), 1e300::double,
   'é "q", \\ ' || chr(10) || 'x', '', '{"a": [1, null]}'::json, date '0999-01-31',
   timestamp '2026-05-01 10:00:00.123456', timestamptz '2026-05-01 10:00:00+02',
   [1, 2], 170141183460469231731687303715884105727::hugeint, 'a' || chr(0) || 'b', '\\xAB'::blob),
  (null, null, null, null, null, 'nan'::double, null, null, null, null, null, null, null, null,
   null, null)
) t(a_bool, a_tiny, a_int, a_big, a_money, a_double, a_text, an_empty, a_json, a_date, a_time,
    a_zoned, a_list, a_huge, a_nul, a_blob)
"""


def test_every_type_arrives_exactly(shop, bi) -> None:
    shop.execute(TYPES)
    names = "a_bool a_tiny a_int a_big a_money a_double a_text an_empty a_json a_date a_time"
    names += " a_zoned a_list a_huge a_nul a_blob"
    shop.describe({**shop.classes, "rpt_daily": dict.fromkeys(names.split(), "public")})
    shop.publish()
    assert send(shop).outcome == "delivered"
    types = dict(
        bi(
            "select column_name, case when data_type = 'numeric' then data_type || '(' ||"
            " numeric_precision || ',' || numeric_scale || ')' else data_type end"
            " from information_schema.columns"
            " where table_schema = 'analytics' and table_name = 'rpt_daily'"
        )
    )
    assert types == {
        "a_bool": "boolean",
        "a_tiny": "smallint",
        "a_int": "integer",
        "a_big": "bigint",
        "a_money": "numeric(18,2)",
        "a_double": "double precision",
        "a_text": "text",
        "an_empty": "text",
        "a_json": "text",
        "a_date": "date",
        "a_time": "timestamp without time zone",
        "a_zoned": "timestamp with time zone",
        "a_list": "text",
        "a_huge": "numeric(39,0)",
        "a_nul": "text",
        "a_blob": "bytea",
    }
    full, empty = bi(
        "select a_bool, a_tiny, a_int, a_big, a_money, a_double, a_text, an_empty, a_json,"
        " a_date::text, a_time::text, (a_zoned at time zone 'UTC')::text, a_list, a_huge, a_nul,"
        " a_blob from analytics.rpt_daily order by a_bool nulls last"
    )
    assert full == (
        *(True, 1, 2, 9223372036854775807, Decimal("1.10"), 1e300),
        *('é "q", \\ \nx', "", '{"a": [1, null]}', "0999-01-31"),
        *("2026-05-01 10:00:00.123456", "2026-05-01 08:00:00", "[1,2]"),
        *(170141183460469231731687303715884105727, "a\ufffdb", b"\xab"),
    )
    assert [value for value in empty if value == value] == [None] * 15  # the other is nan


def test_descriptions_become_comments_and_withheld_columns_stay_at_home(shop, bi) -> None:
    shop.publish()
    assert send(shop).sent.rows == 2012
    assert bi("select obj_description('analytics.rpt_daily'::regclass)") == [
        ("One row per rpt_daily.",)
    ]
    assert bi("select col_description('analytics.rpt_daily'::regclass, 1)") == [
        ("What day means: the user's word.",)
    ]
    columns = bi(
        "select column_name from information_schema.columns"
        " where table_schema = 'analytics' and table_name = 'dim_persons'"
    )
    assert columns == [("person_id",)]
    assert bi("select distinct properties_unreviewed from analytics.fct_events") == [
        ('{"note":null,"deep":null}',)
    ]


@pytest.mark.parametrize(
    "isolation",
    [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ],
    ids=lambda level: level.name,
)
def test_a_reader_in_an_open_transaction_goes_on_reading(
    shop, bi, postgres: str, isolation: psycopg.IsolationLevel
) -> None:
    shop.publish()
    send(shop)
    count = "select count(*) from analytics.fct_events"
    with psycopg.connect(postgres) as reader:
        reader.isolation_level = isolation
        assert reader.execute(count).fetchone() == (2000,)
        cursor = reader.cursor(name="slow")  # half-way through the old table
        cursor.execute("select event_id from analytics.fct_events")
        assert len(cursor.fetchmany(10)) == 10
        change(shop)
        began = time.monotonic()
        done = send(shop)
        assert time.monotonic() - began < 10  # nobody waited for the reader
        assert done.outcome == "delivered"
        assert len(cursor.fetchall()) == 1990
        assert reader.execute(count).fetchone() == (2000,)
        assert reader.execute("select sum(persons) from analytics.rpt_daily").fetchone() == (25,)
        assert "is still read" in done.sent.notes[0]
        assert len(schemas(bi)) == 2
    change(shop)
    assert send(shop).sent.notes == ()
    assert schemas(bi) == ["analytics"]


def test_readers_keep_their_grants_and_get_them_on_new_tables(shop, bi) -> None:
    bi("drop role if exists analyst; drop role if exists auditor; drop role if exists all_of_it")
    bi("create role analyst; create role auditor; create role all_of_it")
    bi("create schema analytics; grant usage on schema analytics to analyst")
    bi("alter default privileges in schema analytics grant select on tables to all_of_it")
    shop.publish()
    send(shop)
    bi("grant select on all tables in schema analytics to analyst")
    bi("grant usage on schema analytics to auditor")
    bi("grant select (person_id) on analytics.dim_persons to auditor with grant option")
    shop.execute("create table marts.rpt_new as select 1 as n")
    from tests.orchestration.publishing import conftest

    conftest.GRAIN.setdefault("rpt_new", ["n"])
    shop.describe({**shop.classes, "rpt_new": {"n": "public"}})
    change(shop)
    send(shop)

    def may(role: str, right: str) -> bool:
        return bi(f"select has_{right.format(role=role)}")[0][0]

    assert may("analyst", "schema_privilege('{role}', 'analytics', 'usage')")
    for table in ("fct_events", "dim_persons", "rpt_daily", "rpt_new"):
        assert may("analyst", "table_privilege('{role}', 'analytics." + table + "', 'select')")
        assert may("all_of_it", "table_privilege('{role}', 'analytics." + table + "', 'select')")
    assert not may("auditor", "table_privilege('{role}', 'analytics.rpt_daily', 'select')")
    assert may(
        "auditor",
        "column_privilege('{role}', 'analytics.dim_persons', 'person_id',"
        " 'select with grant option')",
    )


def test_the_rights_docs_operations_names_are_enough(
    shop, bi, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that is no superuser, and a reader it never heard of."""
    for role in ("publisher", "reader"):
        with suppress(psycopg.errors.DuplicateObject):
            bi(f"create role {role} login")
    (database,) = bi("select current_database()")[0]
    bi(f"grant create on database {database} to publisher")
    bi("create schema analytics authorization publisher")
    bi("grant usage on schema analytics to reader")
    bi(
        "alter default privileges for role publisher in schema analytics"
        " grant select on tables to reader"
    )
    monkeypatch.setenv("BI_URL", postgres.replace("postgres:@", "publisher:@"))
    for persons in (20, 25, 30):
        shop.publish()
        done = send(shop)
        assert (done.outcome, done.error) == ("delivered", None)
        with psycopg.connect(postgres.replace("postgres:@", "reader:@")) as reader:
            total = reader.execute("select sum(persons) from analytics.rpt_daily").fetchone()
            assert total == (persons,)
        shop.execute("update marts.rpt_daily set persons = persons + 1")
    assert schemas(bi) == ["analytics"]


def test_a_view_of_somebody_else_shows_the_new_version(shop, bi) -> None:
    shop.publish()
    send(shop)
    bi("create schema team")
    bi("create view team.total as select sum(persons) n from analytics.rpt_daily")
    bi("create view team.double as select n * 2 as n from team.total")
    change(shop)
    assert send(shop).outcome == "delivered"
    assert bi("select n from team.total") == [(25,)]
    assert bi("select n from team.double") == [(50,)]
    assert schemas(bi) == ["analytics"]
    bi("create materialized view team.fixed as select count(*) from analytics.rpt_daily")
    change(shop)
    refused = send(shop)
    assert "The materialized view team.fixed reads the schema analytics" in str(refused.error)
    assert bi("select n from team.total") == [(25,)]


def test_what_others_keep_in_the_schema_is_not_moved_away(shop, bi) -> None:
    bi("create schema analytics; create table analytics.notes (n int)")
    shop.publish()
    refused = send(shop)
    assert "holds what Throughline did not publish: notes" in str(refused.error)
    assert "throughline publish --to bi" in refused.error.fix
    assert schemas(bi) == ["analytics"]
    bi("drop table analytics.notes")
    assert send(shop).outcome == "delivered"


def test_a_role_without_rights_is_told_what_to_ask_for(
    shop, bi, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bi("drop role if exists poor; create role poor login")
    monkeypatch.setenv("BI_URL", postgres.replace("postgres:@", "poor:@"))
    shop.publish()
    refused = send(shop)
    assert "The role poor may not replace the schema analytics" in str(refused.error)
    assert "grant create on database" in refused.error.fix


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bi:hush-hush@127.0.0.1:9/x",
        "host=127.0.0.1 port=9 password=hush-hush",
        "hush-hush",
    ],
    ids=["url", "pairs", "nonsense"],
)
def test_passwords_are_never_told(shop, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("BI_URL", url)
    configure(shop)
    shop.publish()
    failed = send(shop)
    told = str(failed.error) + (shop.home.published / "targets.json").read_text()
    assert failed.outcome == "failed"
    assert "hush" not in told


def test_a_secret_that_is_not_set_is_named(shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BI_URL", raising=False)
    configure(shop)
    shop.publish()
    assert "The secret env:BI_URL is not set." in str(send(shop).error)


KILLED = """
    import sys, time
    from pathlib import Path
    from governance.config import load_config
    from governance.home import Home
    from governance.keys import load_keys
    from orchestration.publishing import deliver, postgres_target
    home = Home(Path(sys.argv[1]))
    config = load_config(home)
    def wait(*arguments):
        print("loaded", flush=True)
        time.sleep(60)
    postgres_target.swap = wait
    deliver(home, config.publish.to[0], load_keys(home), config)
"""


def test_a_killed_delivery_leaves_nothing_and_the_next_one_succeeds(shop, bi) -> None:
    shop.publish()
    send(shop)
    change(shop)
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(shop.home.root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "loaded\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert bi("select sum(persons) from analytics.rpt_daily") == [(20,)]
    assert target_states(shop.home, shop.config)[0].is_behind
    until = time.monotonic() + 10
    while (done := send(shop)).outcome == "failed" and time.monotonic() < until:
        time.sleep(0.1)  # until the server has noticed
    assert done.outcome == "delivered"
    assert bi("select sum(persons) from analytics.rpt_daily") == [(25,)]
    assert schemas(bi) == ["analytics"]


def test_a_failure_in_the_swap_changes_nothing(shop, bi, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.publish()
    send(shop)
    change(shop)

    def broken(connection: Any, *arguments: object) -> None:
        connection.execute("select 1 / 0")

    with monkeypatch.context() as patch:
        patch.setattr(postgres_swap, "hand_on", broken)
        assert "division by zero" in str(send(shop).error)
    assert schemas(bi) == ["analytics"]
    assert bi("select sum(persons) from analytics.rpt_daily") == [(20,)]
    assert send(shop).outcome == "delivered"


def test_the_same_version_is_not_loaded_twice(shop, bi) -> None:
    shop.publish()
    send(shop)
    before = bi("select 'analytics.fct_events'::regclass::oid::text")
    (shop.home.published / "targets.json").unlink()
    target = shop.config.publish.to[0]
    assert deliver(shop.home, target, shop.keys, shop.config).outcome == "unchanged"
    assert bi("select 'analytics.fct_events'::regclass::oid::text") == before
    assert target_states(shop.home, shop.config)[0].version == current_version(shop.home)


def test_two_homes_do_not_share_a_schema(shop, bi, make_shop, tmp_path: Path) -> None:
    other = make_shop(tmp_path / "other")
    configure(other)
    for one in (shop, other):
        one.publish()
    send(shop)
    assert "Another home publishes to the schema analytics" in str(send(other).error)
