"""What goes wrong, in words with a fix and without secrets; and what the next run does."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ingestion.databases import check
from ingestion.segments import Problem
from tests.servers import start_mariadb, start_postgres

from .conftest import SECRET, Shop

SQL = (
    "create table t (id integer primary key, customer varchar(20), secret varchar(20))",
    "insert into t values (1, 'anna', 's1'), (2, 'ben', 's2')",
)
MAPPING = {"event_name": {"value": "x"}, "occurred_at": {"value": "2026-01-01"}}


def left_behind(shop: Shop) -> list[Path]:
    return [path for path in shop.home.landing.rglob("*") if path.suffix == ".parquet"]


def read_only_user(shop: Shop, *, may_read: bool = True) -> str:
    """The address with a user who may only read."""
    server, name = shop.database.server, shop.database.name
    user = f"reader_{name}"
    if server.kind == "postgres":
        shop.run(f"create role {user} login password '{SECRET}'")
        if may_read:
            shop.run(f"grant select on t to {user}")
    else:
        shop.run(f"create user {user} identified by '{SECRET}'")
        shop.run(f"grant {'select' if may_read else 'insert'} on {name}.t to {user}")
    return server.url(name, user, SECRET)


@pytest.mark.parametrize("kind", ["on_postgres", "on_mariadb"])
def test_a_user_who_may_only_read_suffices(kind: str, request: pytest.FixtureRequest) -> None:
    shop = request.getfixturevalue(kind)
    shop.run(*SQL)
    shop.set_url(read_only_user(shop))
    shop.table("t")
    assert shop.read().rows_new == 2


@pytest.mark.parametrize("kind", ["on_postgres", "on_mariadb"])
def test_a_table_that_may_not_be_read(kind: str, request: pytest.FixtureRequest) -> None:
    shop = request.getfixturevalue(kind)
    shop.run(*SQL)
    shop.set_url(read_only_user(shop, may_read=False))
    shop.table("t")
    problem = shop.problem()
    assert "GRANT SELECT ON t" in problem.fix or "grant it SELECT" in problem.fix


@pytest.mark.parametrize("kind", ["on_postgres", "on_mariadb"])
def test_a_wrong_password_is_in_no_message(
    kind: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shop = request.getfixturevalue(kind)
    shop.run(*SQL)
    right = read_only_user(shop)
    shop.set_url(right.replace("hunter2", "wrong-guess"))
    shop.table("t")
    shop.table("u")
    problem = shop.problem()
    (checked,) = check(shop.home, shop.source)
    assert checked.problem == problem
    assert (problem.source, problem.segment) == ("shop", "env:SHOP_DB_URL")
    assert "does not let this user in" in problem.what
    assert "Check user and password in env:SHOP_DB_URL" in problem.fix
    for said in (str(problem), caplog.text):
        assert "wrong-guess" not in said
        assert "p%40ss" not in said
        assert "p@ss" not in said


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("postgresql://me:tops3cret@127.0.0.1:1/shop", "no server that answers"),
        ("mysql://me:tops3cret@127.0.0.1:1/shop", "no server that answers"),
        ("postgresql://me:tops3cret@no-such-host.invalid/shop", "no server that answers"),
        ("tops3cret is no address", "is not the address of a database"),
        ("postgresql://me:tops3cret@host:port/shop", "is not the address of a database"),
        ("oracle://me:tops3cret@host/shop", "of kind oracle"),
        ("sqlite:///tops3cret.db", "a file that does not exist"),
        ("", "is not set"),
    ],
)
def test_an_address_that_leads_nowhere(sqlite: Shop, url: str, what: str) -> None:
    sqlite.set_url(url)
    sqlite.table("t")
    problem = sqlite.problem()
    assert problem.segment == "env:SHOP_DB_URL"
    assert what in problem.what
    assert "tops3cret" not in str(problem)


def test_an_address_others_can_read(sqlite: Shop) -> None:
    sqlite.home.env.chmod(0o644)
    sqlite.table("t")
    problem = sqlite.problem()
    assert "cannot be read" in problem.what
    assert "chmod 600" in problem.fix


def test_a_file_that_is_no_database(sqlite: Shop) -> None:
    (sqlite.home.root / "app.db").write_text("not a database " * 99)
    sqlite.set_url("sqlite:///app.db")
    sqlite.table("t")
    assert "no SQLite file" in sqlite.problem().what


def test_other_tables_are_read_when_one_is_dropped(shop: Shop) -> None:
    shop.run(*SQL, "create table orders (id integer primary key)", "insert into orders values (1)")
    shop.table("orders")
    shop.table("t")
    assert len(shop.extract().tables) == 2
    shop.run("drop table orders", "insert into t values (3, 'c', 's')")
    done = shop.extract()
    assert [read.rows_new for read in done.tables] == [1]
    assert done.problems[0].segment == "orders"
    assert "does not exist" in done.problems[0].what
    # Not a row is taken for deleted.
    assert len(shop.live("orders")) == 1
    shop.run("create table orders2 (id integer primary key)")
    assert "Did you mean 'orders2'?" in shop.extract().problems[0].fix


def test_a_column_that_was_renamed_under_us(shop: Shop) -> None:
    shop.run(*SQL)
    shop.table("t", mapping={**MAPPING, "user_id": "customer"})
    shop.read()
    shop.run("alter table t rename column customer to customer_no")
    problem = shop.problem()
    assert problem == Problem(
        "shop",
        "t",
        "has no column 'customer', which mapping.user_id names",
        "Did you mean 'customer_no'?",
    )
    shop.tables[0]["mapping"]["user_id"] = "customer_no"
    assert shop.read().full


@pytest.mark.parametrize(
    ("more", "what", "fix"),
    [
        ({"key": ["ID"]}, "has no column 'ID', which key names", "'id'"),
        ({"cursor": "updated"}, "has no column 'updated', which cursor names", "The columns are"),
        ({"exclude": ["secrets"]}, "has no column 'secrets', which exclude", "'secret'"),
        ({"cursor": "customer"}, "neither a time nor a number: 'customer'", "leave cursor out"),
        ({"cursor": "id", "overlap": "1h"}, "its cursor 'id' counts", "Leave overlap out"),
        (
            {"exclude": ["customer"], "mapping": {**MAPPING, "user_id": "customer"}},
            "excludes the column 'customer'",
            "out of exclude",
        ),
    ],
)
def test_columns_that_cannot_be(sqlite: Shop, more: dict[str, Any], what: str, fix: str) -> None:
    sqlite.run(*SQL)
    sqlite.table("t", **more)
    problem = sqlite.problem()
    assert what in problem.what
    assert fix in problem.fix


def test_a_table_without_a_key_and_a_key_that_is_none(shop: Shop) -> None:
    shop.run("create table t (a integer, b integer)", "insert into t values (1, 1), (1, 2)")
    shop.table("t")
    problem = shop.problem()
    assert problem.what == "has no primary key, and none is declared"
    assert "{table: t, key: [a]}" in problem.fix
    shop.tables[0]["key"] = ["a"]
    problem = shop.problem()
    assert "1 keys that stand for several rows" in problem.what
    assert left_behind(shop) == []
    shop.tables[0]["key"] = ["a", "b"]
    assert shop.read().rows_new == 2


def test_a_column_named_like_ours(sqlite: Shop) -> None:
    sqlite.run("create table t (id integer primary key, _tl_key text)")
    sqlite.table("t")
    assert "'_tl_key'" in sqlite.problem().what
    sqlite.tables[0]["exclude"] = ["_tl_key"]
    sqlite.read()


def test_excluded_and_unmapped_columns_are_never_asked_for(
    shop: Shop, statements: list[str]
) -> None:
    shop.run(*SQL)
    shop.table("t", exclude=["secret"])
    statements.clear()
    row = shop.rows(shop.read())[0]
    assert "secret" not in row
    assert "customer" in row
    asked = [s for s in statements if "from t" in s.lower().replace('"', "").replace("`", "")]
    assert asked
    assert not any(
        "secret" in statement or "*" in statement.replace("count(*)", "") for statement in asked
    )
    shop.tables[0]["mapping"] = {**MAPPING, "user_id": "customer"}
    shop.tables[0]["exclude"] = []
    statements.clear()
    shop.read(full=True)
    asked = [s for s in statements if "from t" in s.lower().replace('"', "").replace("`", "")]
    assert not any("secret" in statement for statement in asked)


def test_nothing_can_be_written(shop: Shop, statements: list[str]) -> None:
    from ingestion.databases.connect import open_database

    shop.run(*SQL)
    shop.table("t")
    with (
        open_database(shop.home, shop.source).snapshot() as connection,
        pytest.raises(sa.exc.DBAPIError, match=r"(?i)read.?only"),
    ):
        connection.exec_driver_sql("insert into t values (9, 'x', 'y')")


def test_a_snapshot_does_not_see_what_is_committed_meanwhile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion.databases import tables

    shop.run(*SQL)
    shop.table("t")
    count = tables._count
    written = []

    def count_then_write(*arguments: Any) -> int:
        found = count(*arguments)
        if not written:
            written.append(True)
            shop.run("insert into t values (3, 'late', 's')", "delete from t where id = 1")
        return found

    monkeypatch.setattr(tables, "_count", count_then_write)
    assert shop.read().rows_new == 2
    read = shop.read()
    assert (read.rows_new, read.rows_deleted) == (1, 1)


def test_a_count_that_differs_is_a_problem(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.databases import tables

    shop.run(*SQL)
    shop.table("t")
    count = tables._count
    monkeypatch.setattr(tables, "_count", lambda *arguments: count(*arguments) + 1)
    assert "gave 2 rows where the server counted 3" in shop.problem().what
    assert left_behind(shop) == []


@pytest.mark.parametrize("start", [start_postgres, start_mariadb], ids=["postgres", "mariadb"])
def test_a_server_that_stops_in_the_middle(start: Any, make_shop: Any) -> None:
    servers = start()
    server = next(servers)
    try:
        shop = make_shop(server.database())
        shop.run("create table t (id integer primary key, body varchar(2000))")
        filler = "repeat('x', 1500)"
        shop.run(f"insert into t values (1, {filler})")
        for power in range(16):
            shop.run(f"insert into t select id + {2**power}, {filler} from t")
        shop.table("t")
        stopped: list[int] = []

        def stop(_label: str, done: int, _total: int | None = None) -> None:
            if done and not stopped:
                stopped.append(done)
                server.stop()

        problem = shop.problem(progress=stop)
        assert stopped
        assert "throughline load shop" in problem.fix or "that the server runs" in problem.fix
        assert left_behind(shop) == []
        server.start()
        assert shop.read().rows_new == 2**16
    finally:
        servers.close()


def test_what_is_soon_over_is_tried_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.databases import tables
    from ingestion.databases.trouble import Trouble

    shop.run(*SQL)
    shop.table("t")
    agree, failures = tables._agree, [1, 2]

    def fail_twice(read: int, counted: int) -> None:
        if failures:
            failures.pop()
            raise Trouble("was cut off", "again", transient=True)
        agree(read, counted)

    monkeypatch.setattr(tables, "_agree", fail_twice)
    assert shop.read().rows_new == 2


def test_names_of_the_environment_change_nothing(
    sqlite: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # dlt fills arguments that were not given from variables of their name.
    for name in ("SCHEMA", "TABLE", "EXCLUDED_COLUMNS", "INCLUDED_COLUMNS", "CREDENTIALS"):
        monkeypatch.setenv(name, '["customer"]')
        monkeypatch.setenv(f"SOURCES__SQL_DATABASE__{name}", '["customer"]')
    monkeypatch.setenv("CHUNK_SIZE", "1")
    sqlite.run(*SQL)
    sqlite.table("t")
    read = sqlite.read()
    assert set(sqlite.rows(read)[0]) >= {"id", "customer", "secret"}
