from datetime import date

import duckdb
import pytest

from orchestration.publishing.digest import digest_days, digest_rows, together

COLUMNS = ("seen_at", "name", "amount")
ROWS = """
    (select timestamp '2026-03-01' + to_hours(i * 7) as seen_at, 'n' || i % 5 as name,
    case when i % 3 > 0 then i * 0.01 end as amount from range(100) t(i))
"""


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"create table rows as from {ROWS}")
    return connection


def test_the_digests_of_the_days_add_up_to_that_of_all(connection) -> None:
    days = digest_days(connection, "rows", COLUMNS, "seen_at")
    assert list(days)[:2] == [date(2026, 3, 1), date(2026, 3, 2)]
    assert sum(digest.rows for digest in days.values()) == 100
    assert together(days.values()) == digest_rows(connection, "rows", COLUMNS)
    shuffled = "(from rows order by hash(seen_at))"
    assert digest_rows(connection, shuffled, COLUMNS) == digest_rows(connection, "rows", COLUMNS)


CHANGES = [
    "update rows set amount = amount + 0.01 where name = 'n1'",
    "update rows set amount = null where amount = 0.01",
    "insert into rows from rows where name = 'n1'",
    "insert into rows select rows.* from (from rows limit 1) as rows, range(2)",
    "delete from rows where seen_at = '2026-03-01'",
]
# Two rows that change a value with each other, in the first column, one amid, and the last.
SWAPS = [
    "update rows set seen_at = case seen_at when '2026-03-01 07:00' then timestamp"
    " '2026-03-01 14:00' else timestamp '2026-03-01 07:00' end where amount in (0.01, 0.02)",
    "update rows set name = case name when 'n1' then 'n2' else 'n1' end"
    " where amount in (0.01, 0.02)",
    "update rows set amount = case amount when 0.01 then 0.02 else 0.01 end"
    " where amount in (0.01, 0.02)",
]


@pytest.mark.parametrize("change", CHANGES + SWAPS)
def test_any_change_is_another_digest(connection, change: str) -> None:
    before = digest_rows(connection, "rows", COLUMNS)
    connection.execute(change)
    after = digest_rows(connection, "rows", COLUMNS)
    assert before.text != after.text
    assert all(one != other for one, other in zip(before.sum, after.sum, strict=True))
    if change in SWAPS:
        assert all(one != other for one, other in zip(before.xor, after.xor, strict=True))


def test_no_rows_have_a_digest(connection) -> None:
    connection.execute("delete from rows")
    assert digest_rows(connection, "rows", COLUMNS) == together([])
    assert digest_days(connection, "rows", COLUMNS, "seen_at") == {}
