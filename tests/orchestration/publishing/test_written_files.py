"""The files of a version: what is written, what is a link to the one before, in which order."""

from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from orchestration.publishing import plan, read_manifest, writer

Read = Callable[[str], list[tuple]]


def test_unchanged_months_are_hard_links_and_the_touched_one_is_written(shop) -> None:
    first = shop.publish()
    shop.execute(
        "insert into marts.fct_events by name select * replace ('new' as event_id)"
        " from marts.fct_events where event_id = 'e900'"
    )
    second = shop.publish()
    assert (first.partitions_written, first.partitions_linked) == (3, 0)
    assert (second.partitions_written, second.partitions_linked) == (1, 2)

    def inode(version: str, month: str) -> int:
        path = f"parquet/fct_events/occurred_month={month}/part.parquet"
        return (shop.folder / version / path).stat().st_ino

    assert inode(first.version, "2026-02") == inode(second.version, "2026-02")
    assert inode(first.version, "2026-03") != inode(second.version, "2026-03")


def test_a_large_month_is_published_by_days(
    shop, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    """February and March have 672 and 744 events, April 584."""
    monkeypatch.setattr(plan, "LARGE_MONTH", 700)
    first = shop.publish()
    folder = shop.folder / first.version / "parquet/fct_events"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")}
    days = {f"occurred_month=2026-03/{day:02}.parquet" for day in range(1, 32)}
    assert names == days | {f"occurred_month=2026-{month}/part.parquet" for month in ("02", "04")}
    shop.execute(
        "update marts.fct_events set revenue_reporting = -1 where occurred_at::date = '2026-03-09'"
    )
    second = shop.publish()
    assert (second.partitions_written, second.partitions_linked) == (1, 32)
    assert read(
        "select count(*), count(distinct event_id), count(*) filter (revenue_reporting = -1)"
        " from marts.fct_events"
    ) == [(2000, 2000, 24)]
    # a month that has become large gives up its file
    monkeypatch.setattr(plan, "LARGE_MONTH", 600)
    shop.execute("update marts.rpt_daily set persons = 9")
    third = shop.publish()
    assert (third.partitions_written, third.partitions_linked) == (28, 32)
    assert read("select count(*), count(distinct event_id) from marts.fct_events") == [(2000, 2000)]


def test_many_partitions_are_written_a_few_at_a_time(
    shop, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "LARGE_MONTH", 0)
    monkeypatch.setattr(writer, "_ROWS_AT_ONCE", 100)
    shop.publish()
    by_day = (
        "select occurred_at::date, count(*), sum(revenue_reporting) from {} group by 1 order by 1"
    )
    with duckdb.connect(str(shop.home.warehouse), read_only=True) as connection:
        wanted = connection.execute(by_day.format("marts.fct_events")).fetchall()
    assert read(by_day.format("marts.fct_events")) == wanted
    assert len(wanted) == 84


def test_an_unchanged_table_is_a_hard_link_too(shop) -> None:
    first = shop.publish()
    shop.execute("update marts.rpt_daily set persons = 50")
    second = shop.publish()

    def inode(version: str, table: str) -> int:
        return (shop.folder / version / f"parquet/{table}.parquet").stat().st_ino

    assert inode(first.version, "dim_persons") == inode(second.version, "dim_persons")
    assert inode(first.version, "rpt_daily") != inode(second.version, "rpt_daily")


def test_a_table_lies_by_time_where_that_is_asked_for(
    shop, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "SORTED_BY", {"rpt_daily": ("persons",)})
    shop.execute("update marts.rpt_daily set persons = -persons")
    shop.publish()
    downwards = [(-8,), (-6,), (-4,), (-2,), (0,)]
    assert read("select persons from marts.rpt_daily") == downwards
    parquet = str(shop.folder / "current/parquet/rpt_daily.parquet")
    assert duckdb.read_parquet(parquet).select("persons").fetchall() == downwards


def test_a_damaged_old_partition_is_written_anew(shop, read: Read) -> None:
    first = shop.publish()
    path = shop.folder / first.version / "parquet/fct_events/occurred_month=2026-02/part.parquet"
    path.chmod(0o644)
    path.write_bytes(b"cut")
    shop.execute("update marts.rpt_daily set persons = 9")
    assert shop.publish().partitions_linked == 2
    assert read("select count(*) from marts.fct_events") == [(2000,)]


def test_partitions_hold_the_same_bytes_whatever_the_order_of_rows(
    make_shop, tmp_path: Path
) -> None:
    digests = []
    for name, order in (("a", "event_id"), ("b", "hash(event_id)")):
        shop = make_shop(tmp_path / name)
        shop.execute(
            f"create table t as from marts.fct_events order by {order};"
            "drop table marts.fct_events; create table marts.fct_events as from t; drop table t"
        )
        manifest = read_manifest(shop.folder / shop.publish().version)
        assert manifest is not None
        digests.append({f.path: f.sha256 for f in manifest.files if "fct_events" in f.path})
    assert digests[0] == digests[1]


def test_events_without_rows_are_still_a_view_with_columns(shop, read: Read) -> None:
    shop.execute("delete from marts.fct_events")
    shop.publish()
    assert read("select count(*), max(occurred_at) from marts.fct_events") == [(0, None)]
