"""What values become: exact, or as the database writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from math import inf, isnan
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingestion.databases import check

from .conftest import Shop

ODD = 'Größe "in" m%²'


def only_row(shop: Shop) -> dict[str, Any]:
    (row,) = shop.rows(shop.read())
    return row


def test_types_of_postgresql(on_postgres: Shop) -> None:
    on_postgres.run(
        "create type mood as enum ('fine', 'sad')",
        "create domain price as numeric(10,2)",
        "create table t (id bigint primary key, flag boolean, small smallint, amount numeric(12,4),"
        " exact numeric, cost price, ratio double precision, single real, code char(5),"
        " name varchar(20), at timestamptz, naive timestamp, day date, tod time, span interval,"
        " body jsonb, tags text[], who uuid, data bytea, mood mood, money money, address inet)",
        "insert into t values (9007199254740993, true, 7, 0.0001,"
        " 12345678901234567890.123456789012, 9.99, 0.1, 0.1, 'EU', 'é',"
        " '2026-04-13 10:00:00.123456+02', '2026-04-13 10:00:00.000001',"
        " '2026-04-13', '10:00', '1 day 2 hours', '{\"a\": 1.10, \"b\": [1]}', '{x,\"y,z\"}',"
        " 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '\\x00ff', 'sad', 12.50, '10.0.0.1')",
    )
    on_postgres.table("t")
    row = only_row(on_postgres)
    assert row["id"] == 9007199254740993
    assert (row["flag"], row["small"]) == (True, 7)
    assert row["amount"] == Decimal("0.0001")
    assert row["exact"] == "12345678901234567890.123456789012"  # of any length: text
    assert row["cost"] == "9.99"  # of a domain no length is known
    assert (row["ratio"], row["single"]) == (0.1, 0.1)
    assert (row["code"], row["name"]) == ("EU", "é")
    assert row["at"] == datetime(2026, 4, 13, 8, 0, 0, 123456, UTC)
    assert row["naive"] == datetime(2026, 4, 13, 10, 0, 0, 1)
    assert row["day"] == date(2026, 4, 13)
    assert (row["tod"], row["span"]) == ("10:00:00", "P1DT2H")
    assert row["body"] == '{"a": 1.10, "b": [1]}'
    assert row["tags"] == '["x","y,z"]'
    assert row["who"] == "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    assert (row["data"], row["mood"], row["money"]) == ("00ff", "sad", "12.50")
    assert row["address"] == "10.0.0.1/32"


def test_values_of_postgresql_that_python_has_no_word_for(on_postgres: Shop) -> None:
    on_postgres.run(
        "create table t"
        " (id int primary key, at timestamptz, day date, ratio float8, n numeric(5,2))",
        "insert into t values (1, 'infinity', '-infinity', 'NaN', 'NaN'),"
        " (2, '20000-01-01', '0044-03-15 BC', 'infinity', 1.50)",
    )
    on_postgres.table("t")
    one, two = sorted(on_postgres.rows(on_postgres.read()), key=lambda row: row["id"])
    assert one["at"] is one["day"] is two["at"] is two["day"] is None
    assert isnan(one["ratio"])
    assert two["ratio"] == inf
    assert (one["n"], two["n"]) == ("NaN", "1.50")  # no decimal: the whole column as text
    assert on_postgres.read().spool is None


def test_types_of_mariadb(on_mariadb: Shop) -> None:
    on_mariadb.run(
        "create table t (id bigint unsigned primary key, flag tinyint(1), amount decimal(12,4),"
        " wide decimal(50,10), ratio double, at timestamp(6) null, naive datetime(6), day date,"
        " zero date, part date, tod time, y year, bits bit(3),"
        " name varchar(20) character set latin1, body json, data varbinary(4),"
        " mood enum('fine','sad'), several set('a','b'), who uuid)",
        "insert into t values (18446744073709551615, 1, 0.0001, 1234567890123456789012345678.5,"
        " 0.1, null, '2026-04-13 10:00:00.000001', '2026-04-13', '0000-00-00',"
        " '2026-00-10', '-100:00:00', 2026, b'101', 'é', '{\"a\": 1.10}', x'00ff', 'sad', 'a,b',"
        " '123e4567-e89b-12d3-a456-426655440000')",
        # In the zone of this server, five hours behind.
        "update t set at = '2026-04-13 05:00:00.5'",
    )
    on_mariadb.table("t")
    row = only_row(on_mariadb)
    assert row["id"] == 18446744073709551615
    assert row["_tl_key"] == '["18446744073709551615"]'
    assert row["flag"] == 1  # tinyint(1) is a number
    assert row["amount"] == Decimal("0.0001")
    assert row["wide"] == "1234567890123456789012345678.5000000000"
    assert row["at"] == datetime(2026, 4, 13, 10, 0, 0, 500000, UTC)
    assert row["naive"] == datetime(2026, 4, 13, 10, 0, 0, 1)
    assert (row["day"], row["zero"], row["part"]) == (date(2026, 4, 13), None, None)
    assert (row["tod"], row["y"], row["bits"]) == ("-100:00:00", 2026, 5)
    assert (row["name"], row["data"], row["mood"], row["several"]) == ("é", "00ff", "sad", "a,b")
    assert row["body"] == '{"a": 1.10}'
    assert row["who"] == "123e4567-e89b-12d3-a456-426655440000"


def test_types_of_sqlite_are_wishes(sqlite: Shop) -> None:
    sqlite.run(
        "create table t (id integer primary key, flag boolean, maybe boolean, n integer,"
        " two boolean, price decimal(10,2), ratio real, at datetime, name text,"
        " data blob, untyped)",
        "insert into t values (1, 1, 1, 5, 1, 12.5, 0.1, '2026-04-13T10:00:00Z', 'é', x'00ff', 7)",
        "insert into t values (2, 0, 'yes', 'many', 2, 0.1, 2, 1776000000000, x'ff', null, 'x')",
    )
    sqlite.table("t")
    one, two = sorted(sqlite.rows(sqlite.read()), key=lambda row: row["id"])
    assert (one["flag"], two["flag"]) == (True, False)
    assert (one["maybe"], two["maybe"]) == ("1", "yes")
    assert (one["n"], two["n"]) == ("5", "many")
    assert (one["two"], two["two"]) == ("1", "2")
    assert (one["price"], two["price"]) == ("12.5", "0.1")
    assert (one["ratio"], two["ratio"]) == (0.1, 2.0)
    assert (one["at"], two["at"]) == ("2026-04-13T10:00:00Z", "1776000000000")
    assert (one["data"], one["untyped"], two["untyped"]) == ("00ff", "7", "x")
    assert two["name"] == "\ufffd"  # no UTF-8


def test_a_column_whose_type_changes_changes_no_row(on_postgres: Shop) -> None:
    on_postgres.run(
        "create table t (id int primary key, code int)", "insert into t values (1, 5), (2, 6)"
    )
    on_postgres.table("t")
    first = on_postgres.read()
    on_postgres.run(
        "alter table t alter code type text, alter id type text",
        "update t set code = 'six' where id = '2'",
    )
    second = on_postgres.read()
    assert (second.rows_changed, second.rows_new, second.rows_deleted) == (1, 0, 0)
    assert first.spool is not None
    assert second.spool is not None
    assert pq.read_schema(first.spool).field("code").type == pa.int64()
    assert pq.read_schema(second.spool).field("code").type == pa.string()
    on_postgres.run("delete from t where id = '1'")
    assert on_postgres.read().rows_deleted == 1


def test_the_cursor_of_a_table_whose_type_changed_is_read_from_the_start(on_postgres: Shop) -> None:
    on_postgres.run(
        "create table t (id int primary key, at timestamp)",
        "insert into t values (1, '2026-04-01'), (2, '2026-04-02')",
    )
    on_postgres.table("t", cursor="at")
    on_postgres.read()
    on_postgres.run("alter table t alter at type timestamptz")
    assert on_postgres.read().full
    on_postgres.run("alter table t alter at type date")
    assert on_postgres.read().full


def test_a_naive_cursor_is_read_in_the_zone_of_the_mapping(shop: Shop) -> None:
    kind = {"mysql": "datetime", "sqlite": "datetime", "postgresql": "timestamp"}
    shop.run(
        f"create table t (id integer primary key, at {kind[shop.database.engine.dialect.name]})",
        "insert into t values (1, '2026-07-01 12:00:00')",
    )
    zoned = {"from": "at", "time_zone": "Europe/Berlin"}
    shop.table(
        "t",
        cursor="at",
        mapping={"event_name": {"value": "x"}, "occurred_at": zoned, "user_id": "id"},
    )
    row = only_row(shop)
    assert row["_tl_version_at"] == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_numbers_are_cursors_that_count_or_that_are_times(shop: Shop) -> None:
    shop.run(
        "create table t (id integer primary key, seq bigint)",
        "insert into t values (1, 10), (2, 5000), (3, null)",
    )
    shop.table("t", cursor="seq", deletes="ignore")
    shop.read()
    shop.run("insert into t values (4, 4500), (5, 3000)")
    read = shop.read()
    assert [row["id"] for row in shop.rows(read)] == [4]  # within the newest thousand numbers
    assert read.cursor_from == "4000"

    shop.tables = []
    shop.run(
        "create table u (id integer primary key, ms bigint)",
        "insert into u values (1, 1776000000000)",
    )
    ms = {"from": "ms", "unit": "ms"}
    shop.table(
        "u", cursor="ms", mapping={"event_name": {"value": "x"}, "occurred_at": ms, "user_id": "id"}
    )
    assert only_row(shop)["_tl_version_at"] == datetime.fromtimestamp(1776000000, UTC)
    read = shop.read()
    assert read.cursor_from == "1775996400000"


def test_times_that_are_text_may_be_written_with_a_t_or_without(sqlite: Shop) -> None:
    sqlite.run(
        "create table t (id integer primary key, at datetime)",
        "insert into t values (1, '2026-04-10T08:00:00.5Z'), (2, '2026-04-11T08:00:00Z')",
    )
    sqlite.table("t", cursor="at", deletes="ignore")
    rows = {row["id"]: row for row in sqlite.rows(sqlite.read())}
    assert rows[1]["_tl_version_at"] == datetime(2026, 4, 10, 8, 0, 0, 500000, UTC)
    sqlite.run("insert into t values (3, '2026-04-11 07:30:00'), (4, '2026-04-11T07:30:00Z')")
    read = sqlite.read()
    assert not read.full
    assert sorted(row["id"] for row in sqlite.rows(read)) == [3, 4]


def test_unusual_names(shop: Shop) -> None:
    dialect = shop.database.engine.dialect
    quote = dialect.identifier_preparer.quote_identifier
    table, column, key = quote("My Orders ÄÖ"), quote(ODD), quote("Order ID")
    with shop.database.engine.connect() as connection:
        connection.exec_driver_sql(
            f"create table {table} ({key} integer primary key, {column} varchar(20))"
        )
        connection.exec_driver_sql(f"insert into {table} values (1, 'it''s')")
    shop.table("My Orders ÄÖ")
    read = shop.read()
    (row,) = shop.rows(read)
    assert (row["Order ID"], row[ODD]) == (1, "it's")
    assert read.spool is not None
    assert read.spool.parent.name == "My%20Orders%20ÄÖ"
    shop.run(f"delete from {table}")
    (gone,) = shop.rows(shop.read())
    assert (gone["Order ID"], gone["_tl_deleted"]) == (1, True)


def test_a_schema_a_view_and_a_table_with_a_dot_in_its_name(on_postgres: Shop) -> None:
    on_postgres.run(
        'create schema "Sales"',
        'create table "Sales"."a.b" (id int, n int)',
        'insert into "Sales"."a.b" values (1, 2)',
        'create view "Sales".v as select id, n from "Sales"."a.b"',
        'create table "dotted.name" (id int primary key)',
        'insert into "dotted.name" values (1)',
    )
    on_postgres.table("Sales.v", key=["id"])
    on_postgres.table("dotted.name")
    done = on_postgres.extract()
    assert done.problems == ()
    assert [read.rows_new for read in done.tables] == [1, 1]


def test_a_check_shows_the_first_rows_and_keeps_nothing(shop: Shop) -> None:
    shop.run(
        "create table t (id integer primary key, name varchar(9))",
        "insert into t values (1, 'a'), (2, 'b'), (3, 'c')",
    )
    shop.table("t")
    shop.table("missing")
    good, bad = check(shop.home, shop.source, rows=2)
    assert [(row["id"], row["_tl_key"]) for row in good.records] == [(1, '["1"]'), (2, '["2"]')]
    assert bad.problem is not None
    assert "does not exist" in bad.problem.what
    assert not list(shop.home.landing.rglob("*.parquet"))
