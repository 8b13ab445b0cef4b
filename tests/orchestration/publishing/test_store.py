import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from governance.home import Home
from orchestration.publishing import current_version, store, versions
from orchestration.publishing.manifest import Manifest, write_manifest

NOW = datetime(2026, 5, 10, 12, 30, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def make(home: Home, at: datetime, *, weight: int = 0, current: bool = True) -> str:
    """A version of ``weight`` bytes, published at ``at``."""
    digest = f"{at:%H%M%S}00"
    name = store.version_name(at, digest)
    folder = store.role_folder(home) / name
    folder.mkdir(parents=True)
    (folder / "analytics.duckdb").write_bytes(b"x" * weight)
    write_manifest(
        Manifest(name, "analyst", at.isoformat(), "run", digest, "1", "1", {}, (), ()), folder
    )
    if current:
        store.switch(home, name, action="publish", now=at)
    return name


def prune(home: Home, **limits: int | None) -> set[str]:
    settings = {"keep_hourly": 7, "keep_daily": 7, "max_bytes": None, **limits}
    store.prune(home, now=NOW, **settings)
    return {version.name for version in versions(home)}


def test_the_newest_of_each_of_the_last_hours_and_days_is_kept(home: Home) -> None:
    every_half_hour = [NOW - timedelta(minutes=30 * step) for step in range(48 * 10)]
    for at in reversed(every_half_hour):
        make(home, at)
    kept = sorted((store.created_at(name) for name in prune(home)), reverse=True)
    # the last hour whole, then one an hour, then one a day
    assert kept[:8] == every_half_hour[:2] + [
        NOW - timedelta(hours=hours, minutes=0) for hours in range(1, 7)
    ]
    assert [at.date().day for at in kept[8:]] == [9, 8, 7, 6, 5, 4]
    assert all(at.hour == 23 and at.minute == 30 for at in kept[8:])


def test_the_version_before_the_current_one_is_always_there_to_go_back_to(home: Home) -> None:
    earlier = make(home, NOW - timedelta(hours=2, minutes=20))
    latest = make(home, NOW - timedelta(hours=2, minutes=10))
    assert prune(home, keep_hourly=1, keep_daily=1) == {earlier, latest}


def test_max_bytes_takes_the_oldest_first_and_never_the_current(home: Home) -> None:
    oldest, middle, newest = (
        make(home, NOW - timedelta(days=days), weight=10_000) for days in (3, 2, 1)
    )
    assert prune(home, max_bytes=24_000) == {middle, newest}
    store.rollback(home, middle, now=NOW)
    assert prune(home, max_bytes=1) == {middle}
    assert current_version(home) == middle
    assert oldest


def test_files_shared_by_versions_count_once(home: Home) -> None:
    first = make(home, NOW - timedelta(days=2), weight=10_000)
    second = make(home, NOW - timedelta(days=1))
    folder = store.role_folder(home)
    (folder / second / "part.parquet").hardlink_to(folder / first / "analytics.duckdb")
    assert prune(home, max_bytes=15_000) == {first, second}


def test_leftovers_go_and_versions_that_were_ever_current_stay(home: Home) -> None:
    kept = make(home, NOW - timedelta(hours=2))
    never_switched = make(home, NOW - timedelta(hours=1), current=False)
    unfinished = store.role_folder(home) / store.version_name(NOW, "abcdef0123")
    unfinished.mkdir()
    (store.role_folder(home) / ".current-99").symlink_to(kept)
    assert set(store.clean_leftovers(home, now=NOW)) == {
        never_switched,
        unfinished.name,
        ".current-99",
    }
    assert [version.name for version in versions(home)] == [kept]


def test_a_version_older_than_the_kept_history_is_no_leftover(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_HISTORY_KEPT", 2)
    names = [make(home, NOW - timedelta(hours=hours)) for hours in range(5, 0, -1)]
    assert store.clean_leftovers(home, now=NOW) == ()
    assert len(versions(home)) == len(names)


def test_a_switch_whose_entry_was_lost_is_entered_later(home: Home) -> None:
    name = make(home, NOW - timedelta(hours=1), current=False)
    (store.role_folder(home) / "current").symlink_to(name)
    assert store.clean_leftovers(home, now=NOW) == ()
    history = json.loads((store.role_folder(home) / "history.json").read_text())
    assert [entry["version"] for entry in history] == [name]


def test_what_lies_there_without_a_versions_name_is_left_alone(home: Home) -> None:
    make(home, NOW)
    notes = store.role_folder(home) / "my notes.txt"
    notes.write_text("mine")
    store.clean_leftovers(home, now=NOW)
    prune(home, max_bytes=0)
    assert notes.read_text() == "mine"
