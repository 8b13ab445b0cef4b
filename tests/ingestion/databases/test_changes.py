"""What is found again: new rows, late commits, updates, deletions, rows that come back."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ingestion.databases import facts_of

from .conftest import NOW, Shop, column

ORDERS = "create table orders (id integer primary key, state varchar(20), updated_at {time})"
TIME = {"sqlite": "datetime", "postgresql": "timestamp", "mysql": "datetime(6)"}


@pytest.fixture
def orders(shop: Shop) -> Shop:
    """Three orders, read by their cursor."""
    dialect = shop.database.engine.dialect.name
    shop.run(
        ORDERS.format(time=TIME[dialect]),
        "insert into orders values (1, 'paid', '2026-04-10 08:00:00'),"
        " (2, 'paid', '2026-04-11 08:00:00'), (3, 'open', null)",
    )
    shop.table("orders", cursor="updated_at")
    return shop


def test_the_first_read_takes_every_row(orders: Shop) -> None:
    read = orders.read()
    assert (read.rows_read, read.rows_new, read.rows_changed, read.rows_deleted) == (3, 3, 0, 0)
    assert read.full
    rows = orders.rows(read)
    assert column(rows, "id") == [1, 2, 3]
    assert column(rows, "_tl_key") == ['["1"]', '["2"]', '["3"]']
    by_id = {row["id"]: row for row in rows}
    assert by_id[1]["_tl_version_at"] == datetime(2026, 4, 10, 8, tzinfo=UTC)
    assert by_id[3]["_tl_version_at"] == orders.now  # no cursor: the time of reading
    assert {row["_tl_observed_at"] for row in rows} == {orders.now}
    assert not any(row["_tl_deleted"] for row in rows)
    assert all(len(row["_tl_hash"]) == 32 for row in rows)


def test_the_file_says_what_was_read_and_what_the_server_counted(orders: Shop) -> None:
    read = orders.read()
    assert read.spool is not None
    facts = facts_of(read.spool)
    assert (facts.source, facts.table, facts.key) == ("shop", "orders", ("id",))
    assert (facts.rows_read, facts.server_count, facts.rows_written) == (3, 3, 3)
    assert facts.cursor_from is None
    assert (facts.cursor_to or "").replace("T", " ") == "2026-04-11 08:00:00"


def test_nothing_is_written_when_nothing_changed(orders: Shop) -> None:
    orders.read()
    again = orders.read()
    assert again.spool is None
    assert again.rows_new == again.rows_changed == again.rows_deleted == 0
    assert not again.full
    assert again.rows_read == 2  # the newest one and the one without a cursor


def test_new_and_updated_rows_are_found_by_the_cursor(orders: Shop) -> None:
    orders.read()
    orders.run(
        "insert into orders values (4, 'open', '2026-04-12 08:00:00')",
        "update orders set state = 'sent', updated_at = '2026-04-12 09:00:00' where id = 1",
    )
    read = orders.read()
    assert (read.rows_new, read.rows_changed) == (1, 1)
    assert column(orders.rows(read), "id") == [1, 4]
    assert orders.live()['["1"]']["state"] == "sent"


def test_a_row_committed_late_behind_the_cursor_is_found(orders: Shop) -> None:
    orders.read()
    orders.run("insert into orders values (5, 'late', '2026-04-11 07:30:00')")
    read = orders.read()
    assert not read.full
    assert column(orders.rows(read), "id") == [5]


def test_a_row_committed_later_than_the_overlap_is_found_by_its_key(orders: Shop) -> None:
    orders.read()
    orders.run("insert into orders values (6, 'very late', '2026-04-10 00:00:00')")
    read = orders.read()
    assert read.full  # its key was there, its row not among those read
    assert column(orders.rows(read), "id") == [6]


def test_without_reconciling_only_a_full_read_finds_it(orders: Shop) -> None:
    orders.tables[0]["deletes"] = "ignore"
    orders.read()
    orders.run("insert into orders values (6, 'very late', '2026-04-10 00:00:00')")
    assert orders.read().spool is None
    read = orders.read(full=True)
    assert column(orders.rows(read), "id") == [6]


def test_an_update_without_its_cursor_is_found_by_a_full_read(orders: Shop) -> None:
    orders.read()
    orders.run("update orders set state = 'quiet' where id = 1")
    assert orders.read().spool is None
    assert orders.read(full=True).rows_changed == 1
    assert orders.live()['["1"]']["state"] == "quiet"


def test_a_row_without_a_cursor_is_compared_every_time(orders: Shop) -> None:
    orders.read()
    orders.run("update orders set state = 'paid' where id = 3")
    assert orders.read().rows_changed == 1


def test_a_deleted_row_leaves_a_tombstone_and_may_come_back(orders: Shop) -> None:
    orders.read()
    orders.run("delete from orders where id = 1")
    read = orders.read()
    assert read.rows_deleted == 1
    (gone,) = orders.rows(read)
    assert (gone["id"], gone["_tl_key"], gone["_tl_deleted"]) == (1, '["1"]', True)
    assert gone["state"] is gone["updated_at"] is gone["_tl_hash"] is None
    assert set(orders.live()) == {'["2"]', '["3"]'}
    assert orders.read().spool is None  # said once
    # The same row with its old time: later than its tombstone all the same.
    orders.run("insert into orders values (1, 'paid', '2026-04-10 08:00:00')")
    back = orders.read()
    assert back.rows_new == 1
    assert set(orders.live()) == {'["1"]', '["2"]', '["3"]'}
    assert orders.rows(back)[0]["_tl_version_at"] > gone["_tl_version_at"]


def test_a_version_with_an_older_cursor_counts_all_the_same(orders: Shop) -> None:
    orders.read()
    orders.run("update orders set state = 'restored', updated_at = '2026-04-01' where id = 2")
    orders.read(full=True)
    assert orders.live()['["2"]']["state"] == "restored"


def test_deletions_are_left_alone_when_they_are_to_be_ignored(orders: Shop) -> None:
    orders.tables[0]["deletes"] = "ignore"
    orders.read()
    orders.run("delete from orders where id = 1")
    assert orders.read(full=True).rows_deleted == 0


def test_a_mistyped_year_does_not_end_all_reading(orders: Shop) -> None:
    orders.run("insert into orders values (7, 'open', '2999-01-01 00:00:00')")
    orders.read()
    orders.run("insert into orders values (8, 'open', '2026-04-13 08:00:00')")
    read = orders.read()
    assert not read.full
    assert column(orders.rows(read), "id") == [8]


def test_a_column_that_is_mapped_later_is_read_of_all_rows(orders: Shop) -> None:
    mapping = orders.tables[0]["mapping"]
    mapping.pop("properties")
    assert "state" not in orders.rows(orders.read())[0]
    mapping["properties"] = {"state": "state"}
    read = orders.read()
    assert read.full
    assert read.rows_changed == 3
    assert not orders.read().full


def test_an_empty_table_and_one_that_becomes_empty(orders: Shop) -> None:
    orders.run("delete from orders")
    read = orders.read()
    assert (read.rows_read, read.spool) == (0, None)
    orders.run("insert into orders values (1, 'x', '2026-04-10 08:00:00')")
    assert orders.read().rows_new == 1
    orders.run("delete from orders")
    assert orders.read().rows_deleted == 1
    assert orders.live() == {}


def test_half_of_a_table_does_not_vanish_unless_somebody_says_so(orders: Shop) -> None:
    orders.read()
    values = ", ".join(f"({n}, 'open', '2026-04-12 08:00:00')" for n in range(100, 400))
    orders.run(f"insert into orders values {values}")
    orders.read()
    orders.run("delete from orders where id >= 100", "insert into orders values (9, 'n', null)")
    done = orders.extract()
    assert "lost 300 rows" in done.problems[0].what
    assert "--accept-deletes" in done.problems[0].fix
    assert (done.tables[0].rows_deleted, done.tables[0].rows_spared) == (0, 300)
    assert '["9"]' in orders.live()
    assert len(orders.live()) == 304
    assert orders.extract().problems  # until somebody acts
    assert orders.read(accept_deletes=True).rows_deleted == 300
    assert len(orders.live()) == 4


def test_state_that_was_lost_is_made_again_from_the_spool(orders: Shop) -> None:
    orders.read()
    orders.run("delete from orders where id = 1", "update orders set state = 'x' where id = 3")
    first = orders.read()
    assert first.spool is not None
    state = first.spool.parent / ".state"
    for damage in ("gone", "damaged"):
        for file in state.iterdir():
            file.unlink() if damage == "gone" else file.write_bytes(b"no database at all" * 999)
        read = orders.read()
        assert (read.spool, read.full) == (None, False)
    orders.run("delete from orders where id = 2")
    assert orders.read().rows_deleted == 1


def test_a_crash_before_the_state_was_written_repeats_nothing(
    orders: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CrashError(Exception):
        pass

    def crash(*_arguments: object) -> None:
        raise CrashError

    with monkeypatch.context() as patch:
        patch.setattr("ingestion.databases.known.Known.commit", crash)
        with pytest.raises(CrashError):
            orders.read()
    assert len(orders.live()) == 3
    assert orders.read().spool is None


def test_a_clock_that_was_set_back_does_not_hide_a_version(orders: Shop) -> None:
    first = orders.read()
    orders.run("update orders set state = 'x' where id = 3")
    orders.now = NOW - timedelta(days=3)
    second = orders.read()
    assert first.spool is not None
    assert second.spool is not None
    assert first.spool.name < second.spool.name  # the order in which lost state is made again
    assert orders.live()['["3"]']["state"] == "x"


def test_a_source_that_is_being_read_is_left_alone(orders: Shop) -> None:
    seen = []

    def meanwhile(_label: str, _done: int, _total: int | None = None) -> None:
        if not seen:
            seen.append(orders.extract())
            seen.append(orders.extract(full=True))

    orders.extract(progress=meanwhile)
    hourly, by_hand = seen
    assert hourly.tables == hourly.problems == ()
    assert "is being read by another load" in hourly.left_alone[0].what
    assert "is being read by another load" in by_hand.problems[0].what
    assert len(orders.live()) == 3
    assert orders.read().rows_new == 0


def test_two_loads_at_once_read_every_row_once(orders: Shop) -> None:
    reads = []
    threads = [
        threading.Thread(target=lambda: reads.append(orders.extract(now=None))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(done.tables[0].rows_new for done in reads if done.tables) == 3
    folder = Path(orders.source.location(orders.home)) / "orders"
    assert sum(pq.read_metadata(path).num_rows for path in folder.glob("*.parquet")) == 3


def test_the_key_of_several_columns_and_another_key_later(shop: Shop) -> None:
    shop.run(
        "create table invoice_lines"
        " (invoice varchar(9) not null, line integer not null, sku varchar(9))",
        "insert into invoice_lines values ('a', 1, 'x'), ('a', 2, 'y'), ('b', 1, 'z')",
    )
    shop.table("invoice_lines", key=["invoice", "line"])
    assert column(shop.rows(shop.read()), "_tl_key") == ['["a","1"]', '["a","2"]', '["b","1"]']
    shop.run("delete from invoice_lines where line = 2")
    (gone,) = shop.rows(shop.read())
    assert (gone["invoice"], gone["line"]) == ("a", 2)
    shop.tables[0]["key"] = ["sku"]
    read = shop.read()
    assert (read.rows_new, read.rows_deleted) == (2, 2)
    assert {json.loads(key)[0] for key in shop.live()} == {"x", "z"}
