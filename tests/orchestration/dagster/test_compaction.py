"""Compaction: the same contents in a smaller file, and the old file when anything goes wrong."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import pytest

from governance.config import Storage
from governance.home import Home
from governance.keys import load_keys
from governance.warehouse import open_warehouse, warehouse_lock
from orchestration import compaction
from orchestration.compaction import compact

SECRET = "erased-subject-"


@pytest.fixture
def home(make_home: Callable[..., Home]) -> Home:
    home = make_home()
    with warehouse_lock(home, "test"), open_warehouse(home, keys=load_keys(home)) as warehouse:
        warehouse.execute("set force_compression = 'uncompressed'")
        warehouse.execute("create schema marts; create schema staging")
        warehouse.execute(
            f"create table marts.b as select i, '{SECRET}' || i as t from range(200000) as r(i)"
        )
        warehouse.execute("create view staging.a as select i from marts.b")
        warehouse.execute("create view marts.a as select i from staging.a")
        warehouse.execute("checkpoint")
        warehouse.execute("delete from marts.b where i >= 100")
    return home


def contents(home: Home) -> tuple[object, ...]:
    with duckdb.connect(str(home.warehouse), read_only=True) as warehouse:
        return (
            warehouse.execute("select count(*), min(t) from marts.b").fetchone(),
            warehouse.execute("select count(*) from marts.a").fetchone(),
            warehouse.execute("select key_id from meta.warehouse").fetchone(),
        )


def test_the_copy_holds_the_same_and_no_deleted_byte(home: Home) -> None:
    before = contents(home)
    gone = f"{SECRET}150000".encode()
    assert gone in home.warehouse.read_bytes()
    report = compact(home, load_keys(home), Storage(), worthwhile_share=0)
    assert report.done
    assert report.after < report.before
    assert contents(home) == before
    assert gone not in home.warehouse.read_bytes()


def test_what_wins_little_is_not_done(home: Home) -> None:
    report = compact(home, load_keys(home), Storage(), worthwhile_share=1.0)
    assert (report.done, report.after) == (False, report.before)


def test_a_copy_that_differs_leaves_the_old_file(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(home)
    original = compaction._contents

    def lossy(connection: duckdb.DuckDBPyConnection, database: str) -> dict:
        if database == "compacted":
            connection.execute("delete from compacted.marts.b where i = 1")
        return original(connection, database)

    monkeypatch.setattr(compaction, "_contents", lossy)
    with pytest.raises(RuntimeError, match="differs"):
        compact(home, load_keys(home), Storage(), worthwhile_share=0)
    assert contents(home) == before
    assert not list(home.root.glob(".*compacting*"))


def test_the_leftover_of_a_killed_compaction_is_removed(home: Home) -> None:
    leftover = home.root / ".warehouse.duckdb.compacting"
    leftover.write_bytes(b"half a file")
    compact(home, load_keys(home), Storage(), worthwhile_share=0)
    assert not leftover.exists()
    assert contents(home)[0]
