"""A backup holds the home but its secrets; a restore gives the home back, or nothing."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from governance.errors import UserError
from governance.home import Home
from governance.keys import make_keys
from governance.warehouse import SCHEMA_VERSION
from orchestration.backup import copying
from orchestration.backup import restore as restoring
from orchestration.backup.manifest import read_backup
from orchestration.backup.restore import restore
from orchestration.backup.take import back_up
from orchestration.publishing import current_file, current_version, versions
from tests.conftest import MINIMAL, ROOT
from tests.orchestration.publishing.conftest import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A home with two published versions, landing, a reject, notes and a database of Dagster's."""
    shop = Shop(tmp_path / "home")
    home = shop.home
    shop.publish()
    shop.execute("update marts.rpt_daily set persons = persons + 1")
    shop.publish()
    (home.landing / "web" / "a.jsonl").write_text('{"n": 1}\n')
    home.rejects.mkdir()
    (home.rejects / "r.bin").write_bytes(b"\0\1")
    (home.rejects / "r.bin").chmod(0o600)
    home.dlt.mkdir()
    (home.dlt / "scrap").write_text("x")
    home.dagster.mkdir()
    with sqlite3.connect(home.dagster / "runs.db") as runs:
        runs.execute("pragma journal_mode = wal")
        runs.execute("create table runs (id)")
        runs.execute("insert into runs values (1)")
        runs.commit()
    return shop


def tree(root: Path) -> dict[str, tuple]:
    """Path, mode and content of every file, folder and link."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_symlink():
            found[name] = ("link", str(path.readlink()))
        elif path.is_dir():
            found[name] = ("folder", stat.S_IMODE(path.stat().st_mode))
        elif ".db" not in path.name:
            found[name] = (stat.S_IMODE(path.stat().st_mode), path.read_bytes())
    return found


def without_scrap(found: dict[str, tuple]) -> dict[str, tuple]:
    return {
        name: value
        for name, value in found.items()
        if name not in {".env", ".warehouse.lock"} and not name.startswith((".dlt", ".keys"))
    }


def test_a_restored_home_is_the_one_that_was_backed_up(shop: Shop, tmp_path: Path) -> None:
    home, before = shop.home, tree(shop.home.root)
    report = back_up(home, tmp_path / "b", keys_to=tmp_path / "k")
    assert report.files == len(read_backup(tmp_path / "b").files)
    backed = tree(tmp_path / "b")
    assert not [name for name in backed if ".keys" in name or ".env" in name]
    secrets = [path.read_bytes().strip() for path in home.keys.iterdir()]
    for path in (tmp_path / "b").rglob("*"):
        assert not path.is_file() or not any(secret in path.read_bytes() for secret in secrets)
    for path in (tmp_path / "k").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)

    home.root.rename(tmp_path / "lost")
    restored = restore(home, tmp_path / "b", keys_from=tmp_path / "k")
    assert not restored.needs_upgrade
    after = tree(home.root)
    changing = {"warehouse.duckdb", "published/analyst/.lock"}  # the marker is checkpointed
    assert {n: v for n, v in without_scrap(after).items() if n not in changing} == {
        n: v for n, v in without_scrap(before).items() if n not in changing
    }
    assert after[".env"] == before[".env"]
    assert {n: v for n, v in after.items() if n.startswith(".keys")} == {
        n: v for n, v in before.items() if n.startswith(".keys")
    }
    with sqlite3.connect(home.dagster / "runs.db") as runs:
        assert runs.execute("select id from runs").fetchall() == [(1,)]
    shop.execute("select 1")  # the keys fit


def test_hard_links_between_versions_stay_links(shop: Shop, tmp_path: Path) -> None:
    back_up(shop.home, tmp_path / "b", keys_to=tmp_path / "k")
    linked = [file for file in read_backup(tmp_path / "b").files if file.same_as]
    assert len(linked) == 4  # the unchanged months, and dim_persons
    home = Home(tmp_path / "new")
    restore(home, tmp_path / "b", keys_from=tmp_path / "k")
    for file in linked:
        assert (home.root / file.path).samefile(home.root / file.same_as)


def test_readers_of_a_moved_home_find_its_own_files(shop: Shop, tmp_path: Path) -> None:
    back_up(shop.home, tmp_path / "b", keys_to=tmp_path / "k")
    home = Home(tmp_path / "it's new")
    restore(home, tmp_path / "b", keys_from=tmp_path / "k")
    shutil.rmtree(shop.home.root)
    for version in versions(home):
        folder = home.published / "analyst" / version.name
        with duckdb.connect(str(folder / "analytics.duckdb"), read_only=True) as reader:
            assert reader.execute("select count(*) from marts.fct_events").fetchone() == (2000,)
            assert reader.execute(
                "select comment from duckdb_columns()"
                " where table_name = 'fct_events' and column_name = 'event_id'"
            ).fetchone() == ("What event_id means: the user's word.",)
        for file in version.manifest.files:
            assert copying._digest(folder / file.path) == (file.bytes, file.sha256)
    assert current_file(home).exists()


def test_a_killed_backup_leaves_no_folder_that_looks_whole(shop: Shop, tmp_path: Path) -> None:
    code = """
import os, sys
from pathlib import Path
from governance.home import Home
from orchestration.backup.take import back_up
def progress(label, done, total=None):
    if done == 3:
        os.kill(os.getpid(), 9)
back_up(Home(Path(sys.argv[1])), Path(sys.argv[2]), progress=progress)
"""
    command = [sys.executable, "-c", code, str(shop.home.root), str(tmp_path / "b")]
    done = subprocess.run(command, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "b").exists()
    (left,) = tmp_path.glob(".b*")
    with pytest.raises(UserError, match="There is no backup in"):
        restore(Home(tmp_path / "new"), left)
    assert not (tmp_path / "new").exists()
    back_up(shop.home, tmp_path / "b")
    assert not left.exists()


def test_a_killed_restore_leaves_no_home_and_the_next_one_starts_over(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_up(shop.home, tmp_path / "b", keys_to=tmp_path / "k")
    home = Home(tmp_path / "new")

    class KilledError(BaseException):
        pass

    def killed(*arguments: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "relocate", killed)  # late: all but the configuration is in place
        with pytest.raises(KilledError):
            restore(home, tmp_path / "b", keys_from=tmp_path / "k")
    assert home.warehouse.exists()
    assert not home.config.exists()
    restore(home, tmp_path / "b", keys_from=tmp_path / "k")
    assert home.config.exists()
    assert not (home.root / ".restoring").exists()
    assert current_version(home) == current_version(shop.home)


@pytest.mark.parametrize("damage", ["changed", "cut", "missing"])
def test_a_damaged_backup_is_refused_and_nothing_is_restored(
    shop: Shop, tmp_path: Path, damage: str
) -> None:
    back_up(shop.home, tmp_path / "b")
    path = tmp_path / "b" / "home" / "warehouse.duckdb"
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else content[:-1] + b"\x77")
    home = Home(tmp_path / "new")
    with pytest.raises(UserError, match=r"The backup is damaged: warehouse\.duckdb"):
        restore(home, tmp_path / "b")
    assert list(home.root.iterdir()) == []


def test_a_home_in_use_is_never_restored_into(shop: Shop, tmp_path: Path) -> None:
    back_up(shop.home, tmp_path / "b")
    before = tree(shop.home.root)
    with pytest.raises(UserError, match="is not empty"):
        restore(shop.home, tmp_path / "b")
    assert tree(shop.home.root) == before


def test_keys_of_another_home_are_refused(shop: Shop, tmp_path: Path) -> None:
    back_up(shop.home, tmp_path / "b", keys_to=tmp_path / "k")
    (tmp_path / "other").mkdir()
    make_keys(Home(tmp_path / "other"))
    with pytest.raises(UserError, match="do not belong to this warehouse"):
        restore(Home(tmp_path / "new"), tmp_path / "b", keys_from=tmp_path / "other")
    assert not (tmp_path / "new").exists()
    # nor are they overwritten by a backup
    with pytest.raises(UserError, match="holds the keys of another home"):
        back_up(shop.home, tmp_path / "b2", keys_to=tmp_path / "other")
    assert not (tmp_path / "b2").exists()
    back_up(shop.home, tmp_path / "b3", keys_to=tmp_path / "k")  # the same keys again
    shutil.rmtree(shop.home.keys)
    make_keys(shop.home)
    with pytest.raises(UserError, match="do not belong to this warehouse"):
        back_up(shop.home, tmp_path / "b4")


@pytest.mark.parametrize(
    ("folder", "keys", "said"),
    [
        ("b", "b/keys", "in one another's folders"),
        ("b", "b", "in one another's folders"),
        ("k/b", "k", "in one another's folders"),
        ("home/b", None, "must not lie in the home"),
        ("b", "home/k", "must not lie in the home"),
        ("used", None, "is not empty"),
        ("no/where", None, "There is no folder"),
    ],
)
def test_folders_that_would_mix_are_refused(
    shop: Shop, tmp_path: Path, folder: str, keys: str | None, said: str
) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "x").touch()
    (tmp_path / "k").mkdir()
    with pytest.raises(UserError, match=said):
        back_up(shop.home, tmp_path / folder, keys_to=tmp_path / keys if keys else None)


def test_a_backup_of_a_newer_program_is_refused_and_of_an_older_one_needs_an_upgrade(
    shop: Shop, tmp_path: Path
) -> None:
    back_up(shop.home, tmp_path / "b")
    manifest = tmp_path / "b" / "backup.json"
    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(UserError, match="a newer Throughline"):
        restore(Home(tmp_path / "new"), tmp_path / "b")
    manifest.write_text(json.dumps({**content, "schema_version": SCHEMA_VERSION - 1}))
    assert restore(Home(tmp_path / "new"), tmp_path / "b").needs_upgrade


def test_a_manifest_cannot_write_outside_the_home(shop: Shop, tmp_path: Path) -> None:
    back_up(shop.home, tmp_path / "b")
    manifest = tmp_path / "b" / "backup.json"
    content = json.loads(manifest.read_text())
    content["links"] = {"../escaped": "/etc/passwd"}
    manifest.write_text(json.dumps(content))
    with pytest.raises(UserError, match="outside the home"):
        restore(Home(tmp_path / "new"), tmp_path / "b")
    assert not (tmp_path / "escaped").is_symlink()


def test_what_lies_outside_the_home_is_said(make_home: Callable[..., Home], tmp_path: Path) -> None:
    source = {**MINIMAL["sources"][0], "path": str(tmp_path / "elsewhere")}
    home = make_home({**MINIMAL, "sources": [source]})
    report = back_up(home, tmp_path / "b")
    assert report.outside == (f"source web: {tmp_path / 'elsewhere'}",)


def test_a_growing_segment_is_copied_as_far_as_it_was(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = shop.home.landing / "web" / "a.jsonl"
    copy = copying.copy_bytes

    def appending(source: Path, target: Path, limit: int) -> tuple[int, str]:
        if source == segment:
            with source.open("a") as file:
                file.write('{"n": 2}\n')
        return copy(source, target, limit)

    monkeypatch.setattr(copying, "copy_bytes", appending)
    back_up(shop.home, tmp_path / "b")
    monkeypatch.undo()
    restore(Home(tmp_path / "new"), tmp_path / "b")
    assert (tmp_path / "new/landing/web/a.jsonl").read_text() == '{"n": 1}\n'


@pytest.mark.long
def test_an_hourly_run_of_a_restored_home_changes_nothing(
    make_home: Callable[..., Home], tmp_path: Path, throughline: Callable
) -> None:
    home = make_home()
    event = {
        "event_id": "a",
        "event_name": "page_view",
        "occurred_at": "2026-04-01T10:00:00Z",
        "received_at": "2026-04-01T10:00:00Z",
        "subject": {"user_id": "u_1"},
    }
    (home.landing / "web" / "a.jsonl").write_text(json.dumps(event) + "\n")
    throughline(home, "run", "hourly")
    version = current_version(home)
    keys = ["--keys-to", str(tmp_path / "k")]
    said = throughline(home, "backup", str(tmp_path / "b"), *keys).stdout
    assert "Backed up" in said
    home.root.rename(tmp_path / "lost")
    new = Home(tmp_path / "new")
    new.root.mkdir(mode=0o700)  # an empty folder, as a mounted volume is
    throughline(new, "restore", str(tmp_path / "b"), "--keys-from", str(tmp_path / "k"))
    done = json.loads(throughline(new, "run", "hourly", "--json").stdout)
    assert (done["outcome"], done["version"]) == ("unchanged", version)
    assert sum(done["rows_loaded"].values()) == 0
    assert current_version(new) == version
    with duckdb.connect(str(current_file(new)), read_only=True) as reader:
        assert reader.execute("select count(*) from marts.fct_events").fetchone() == (1,)
