import hashlib
import json
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from governance.errors import UserError, WarehouseBusyError
from governance.warehouse import warehouse_lock
from orchestration.publishing import (
    current_version,
    read_manifest,
    rollback,
    versions,
)

Read = Callable[[str], list[tuple]]


def test_marts_are_readable_with_their_descriptions(shop, read: Read) -> None:
    report = shop.publish()
    assert report.outcome == "published"
    assert report.rows == {"dim_persons": 7, "fct_events": 2000, "rpt_daily": 5}
    assert read("select count(*), sum(revenue_reporting)::varchar from marts.fct_events") == [
        (2000, "2498750.000000")
    ]
    assert read("select persons from marts.rpt_daily order by day") == [
        (0,),
        (2,),
        (4,),
        (6,),
        (8,),
    ]
    assert ("day", "What day means: the user's word.") in read(
        "select column_name, comment from duckdb_columns() where table_name = 'rpt_daily'"
    )
    assert read("select comment from duckdb_views() where view_name = 'fct_events'") == [
        ("One row per fct_events.",)
    ]


def test_withheld_classes_are_in_no_file_and_unreviewed_json_keeps_only_its_keys(
    shop, read: Read
) -> None:
    shop.publish()
    columns = read(
        "select table_name, column_name from duckdb_columns() where schema_name = 'marts'"
    )
    assert ("dim_persons", "email") not in columns
    assert ("fct_events", "comment_text") not in columns
    assert read(
        "select distinct properties_unreviewed::varchar, nickname, extras from marts.fct_events"
    ) == [('{"note":null,"deep":null}', None, '{"hat":null}')]
    assert read("select distinct properties->>'plan' from marts.fct_events") == [("pro",)]
    for parquet in shop.folder.rglob("*.parquet"):
        assert not {"email", "comment_text"} & set(duckdb.read_parquet(str(parquet)).columns)


def test_a_column_without_a_class_stops_the_publish_and_names_the_yml(shop) -> None:
    shop.describe({**shop.classes, "rpt_daily": {"day": "public", "persons": None}})
    with pytest.raises(UserError) as error:
        shop.publish()
    text = str(error.value)
    assert "persons" in text
    assert "rpt_daily" in text
    assert "dbt_project/models/marts/rpt_daily.yml" in text
    assert current_version(shop.home) is None


@pytest.mark.parametrize("classes", [{"day": "public"}, {"day": "public", "persons": "secret"}])
def test_an_undocumented_column_or_unknown_class_stops_the_publish(shop, classes: dict) -> None:
    shop.describe({**shop.classes, "rpt_daily": classes})
    with pytest.raises(UserError, match="persons"):
        shop.publish()


def test_a_mart_that_was_never_built_stops_the_publish(shop) -> None:
    shop.execute("drop table marts.rpt_daily")
    with pytest.raises(UserError, match="rpt_daily is not in the warehouse"):
        shop.publish()


def test_publishing_before_anything_was_built_says_what_to_run(shop) -> None:
    with pytest.raises(UserError, match="throughline build"):
        shop.publish(dbt_manifest=shop.home.root / "none.json")


def test_the_manifest_describes_the_version_and_verifies_its_files(shop) -> None:
    report = shop.publish()
    folder = shop.folder / report.version
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.run_id == "run-1"
    assert manifest.created_at == "2026-05-01T13:00:00+00:00"
    assert manifest.data_until == {"web": "2026-04-30T10:00:00Z", "app": None}
    assert report.version == f"20260501T130000Z-{manifest.content_digest[:8]}"
    on_disk = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert on_disk == {file.path for file in manifest.files} | {"manifest.json"}
    for file in manifest.files:
        content = (folder / file.path).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    events = manifest.table("fct_events")
    assert events is not None
    assert [(w.name, w.column_class) for w in events.withheld] == [("comment_text", "free_text")]
    assert {c.name: c.treatment for c in events.columns}["properties_unreviewed"] == "mask"


def test_nothing_is_published_when_nothing_changed(shop) -> None:
    first = shop.publish()
    # the same rows in another order are the same content
    shop.execute(
        "create table t as from marts.fct_events order by hash(event_id);"
        "drop table marts.fct_events; create table marts.fct_events as from t; drop table t"
    )
    second = shop.publish()
    assert (second.outcome, second.version) == ("unchanged", first.version)
    assert shop.names() == {first.version}


@pytest.mark.parametrize(
    "change",
    [
        "update marts.rpt_daily set persons = persons + 1 where day = '2026-02-03'",
        "insert into marts.rpt_daily values ('2026-02-01', 0), ('2026-02-01', 0)",
        "update marts.fct_events set revenue_reporting = 0.000001 where event_id = 'e0'",
        "alter table marts.rpt_daily alter persons type integer",
        "update marts.fct_events set properties = '{}' where event_id = 'e5'",
    ],
    ids=["value", "pair of equal rows", "sixth decimal", "type", "json"],
)
def test_any_visible_change_is_published(shop, change: str) -> None:
    shop.publish()
    shop.execute(change)
    assert shop.publish().outcome == "published"


def test_a_change_nobody_may_see_is_not_published(shop) -> None:
    shop.publish()
    shop.execute("update marts.dim_persons set email = 'other'")
    assert shop.publish().outcome == "unchanged"


def test_a_reader_keeps_its_version_while_another_is_published(shop, read: Read) -> None:
    shop.publish()
    path = shop.folder / "current" / "analytics.duckdb"
    with duckdb.connect(str(path), read_only=True) as reader:
        before = reader.execute("select sum(persons) from marts.rpt_daily").fetchall()
        shop.execute("update marts.rpt_daily set persons = 100; delete from marts.fct_events")
        assert shop.publish().outcome == "published"
        assert reader.execute("select sum(persons) from marts.rpt_daily").fetchall() == before
        assert reader.execute("select count(*) from marts.fct_events").fetchall() == [(2000,)]


def test_readers_need_not_wait_for_the_pipeline(shop) -> None:
    shop.publish()
    script = f"""
        import duckdb
        with duckdb.connect({str(shop.folder / "current/analytics.duckdb")!r}, read_only=True) as c:
            print(c.execute("select count(*) from marts.fct_events").fetchone()[0])
    """
    with warehouse_lock(shop.home, "load"):
        reader = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)],
            capture_output=True,
            text=True,
            check=True,
        )
    assert reader.stdout.strip() == "2000"


def test_published_files_are_read_only(shop) -> None:
    version = shop.publish().version
    for path in (shop.folder / version).rglob("*.*"):
        assert (
            path.is_dir() or path.name == "manifest.json" or not path.stat().st_mode & stat.S_IWUSR
        )


def test_publishing_says_who_holds_the_warehouse(shop) -> None:
    script = f"""
        import sys, time
        from pathlib import Path
        from governance.home import Home
        from governance.warehouse import warehouse_lock
        with warehouse_lock(Home(Path({str(shop.home.root)!r})), "load"):
            print("held", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            with pytest.raises(WarehouseBusyError, match=str(holder.pid)):
                shop.publish(wait_seconds=0)
        finally:
            holder.kill()


def _publish_in_a_child(shop, prologue: str) -> subprocess.CompletedProcess:
    script = f"""
        from datetime import UTC, datetime
        from pathlib import Path
        from governance.config import load_config
        from governance.home import Home
        from governance.keys import load_keys
        from orchestration.publishing import publication, publish, store, writer
        import os, resource, signal
        home = Home(Path({str(shop.home.root)!r}))
        config, keys = load_config(home), load_keys(home)
        die = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)
    """
    body = (
        textwrap.dedent(script)
        + textwrap.dedent(prologue)
        + textwrap.dedent(f"""
        publish(home, config, keys, dbt_manifest=Path({str(shop.manifest)!r}), run_id="child",
                 now=datetime(2026, 5, 2, tzinfo=UTC))
    """)
    )
    return subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "prologue",
    [
        "writer._write_table = die",
        "publication.write_manifest = die",
        "store.switch = die",
        "store._write_history = die",
        "store.prune = die",
    ],
    ids=[
        "amid the files",
        "before the manifest",
        "before the switch",
        "after it",
        "before pruning",
    ],
)
def test_a_kill_at_any_instant_leaves_a_whole_current_version(
    shop, read: Read, prologue: str
) -> None:
    shop.publish()
    shop.execute("update marts.rpt_daily set persons = 50")
    killed = _publish_in_a_child(shop, prologue)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert read("select count(*) from marts.fct_events") == [(2000,)]
    assert read("select max(persons) from marts.rpt_daily") in ([(8,)], [(50,)])
    shop.publish()
    assert read("select max(persons) from marts.rpt_daily") == [(50,)]
    assert shop.names() == {version.name for version in versions(shop.home)}
    assert len(shop.names()) == 2


def test_a_full_disk_is_said_and_leaves_the_current_version(shop, read: Read) -> None:
    first = shop.publish()
    shop.execute("update marts.rpt_daily set persons = 50")
    # a limit on the size of files fails like a full disk does, without root's rights
    full = _publish_in_a_child(
        shop,
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        write = publication.write_version
        def limited(*arguments, **named):
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
            return write(*arguments, **named)
        publication.write_version = limited
        """,
    )
    assert "UserError: The disk of" in full.stderr, full.stderr
    assert "is full" in full.stderr
    assert shop.names() == {first.version}
    assert read("select max(persons) from marts.rpt_daily") == [(8,)]


def test_an_interrupt_removes_the_unfinished_version(shop, monkeypatch: pytest.MonkeyPatch) -> None:
    first = shop.publish()
    shop.execute("update marts.rpt_daily set persons = 50")

    def interrupted(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("orchestration.publishing.writer._write_table", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shop.publish()
    assert shop.names() == {first.version}
    assert shop.publish().outcome == "published"


def test_what_was_rolled_back_is_held_back_until_somebody_rolls_forward(shop, read: Read) -> None:
    first = shop.publish()
    shop.execute("update marts.rpt_daily set persons = 50")
    second = shop.publish()
    assert rollback(shop.home, first.version, now=shop.now) == second.version
    assert read("select max(persons) from marts.rpt_daily") == [(8,)]

    assert shop.publish().outcome == "held_back"
    assert current_version(shop.home) == first.version

    rollback(shop.home, second.version, now=shop.now)
    assert shop.publish().outcome == "unchanged"
    assert not any(version.is_withdrawn for version in versions(shop.home))


def test_new_content_is_published_after_a_rollback(shop, read: Read) -> None:
    first = shop.publish()
    shop.execute("update marts.rpt_daily set persons = 50")
    shop.publish()
    rollback(shop.home, first.version, now=shop.now)
    shop.execute("update marts.rpt_daily set persons = 60")
    assert shop.publish().outcome == "published"
    assert read("select max(persons) from marts.rpt_daily") == [(60,)]


def test_rolling_back_to_an_unknown_version_lists_the_kept_ones(shop) -> None:
    first = shop.publish()
    with pytest.raises(UserError, match=first.version):
        rollback(shop.home, "20200101T000000Z-00000000", now=shop.now)


def test_the_keys_of_another_home_are_refused(shop, make_shop, tmp_path: Path) -> None:
    other = make_shop(tmp_path / "other")
    shop.home.keys.rename(shop.home.root / "old")
    other.home.keys.rename(shop.home.keys)
    shop.keys = other.keys
    with pytest.raises(UserError, match="other keys"):
        shop.publish()


def test_manifest_and_history_are_plain_json(shop) -> None:
    version = shop.publish().version
    assert json.loads((shop.folder / version / "manifest.json").read_text())["format"] == 1
    assert json.loads((shop.folder / "history.json").read_text())[0]["version"] == version
