"""A warehouse really made by the program of schema version 1, brought to this one's.

``v1.sql`` is what that program's ``run hourly`` left of four lines in landing: three events and a
broken line. The keys and the lines are below, for the file remembers both by digest.
"""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from governance.config import load_config
from governance.errors import UserError
from governance.home import Home
from governance.keys import FILES, load_keys, write_private
from governance.warehouse import (
    SCHEMA_VERSION,
    SEMANTICS_VERSION,
)
from ingestion.load import load
from orchestration import upgrade as module
from orchestration.doctor import examine
from orchestration.upgrade import upgrade

CONFIG = """company: old
sources:
  - {name: web, path: landing/web/, surface: web, trust: server, lawful_basis: contract}
"""
RAW_COLUMNS = (
    "select table_name, column_name, data_type, is_nullable, column_default"
    " from duckdb_columns() where schema_name = 'raw' and not starts_with(table_name, '_dlt')"
)


def event(number: int, **more: object) -> str:
    moment = f"2026-04-01T10:0{number}:00Z"
    record = {
        "event_id": f"e{number}",
        "event_name": "page_view",
        "event_type": "page",
        "occurred_at": moment,
        "received_at": moment,
        "subject": {"user_id": f"u_{number % 2}"},
        "context": {"surface": "web"},
        **more,
    }
    return json.dumps(record)


def order(number: int) -> str:
    revenue = {"amount": "12.50", "currency": "EUR", "order_id": "o_1"}
    return event(number, event_name="order_completed", event_type="track", revenue=revenue)


def bare_home(root: Path) -> Home:
    home = Home(root)
    (home.landing / "web").mkdir(parents=True)
    home.contracts.mkdir()
    home.config.write_text(CONFIG)
    home.keys.mkdir(mode=0o700)
    for number, name in enumerate(FILES, 1):
        write_private(home.keys / name, f"{number:02x}" * 32 + "\n")
    lines = [event(0), event(1), order(2), "{broken"]
    (home.landing / "web" / "a.jsonl").write_text("\n".join(lines) + "\n")
    return home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home as the program of schema version 1 left it."""
    home = bare_home(tmp_path / "home")
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(Path(__file__).with_name("v1.sql").read_text())
    return home


def run(home: Home, **options):
    return upgrade(home, load_keys(home), load_config(home).storage, **options)


def query(home: Home, sql: str) -> list[tuple]:
    with duckdb.connect(str(home.warehouse), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def load_now(home: Home):
    return load(home, load_config(home), load_keys(home))


def test_every_command_names_the_upgrade(home: Home, throughline) -> None:
    for command in (["load"], ["status"]):
        refused = throughline(home, *command, check=False)
        assert refused.returncode == 1
        assert "was written by an older Throughline" in refused.stderr
        assert f"throughline --home {home.root} upgrade" in refused.stderr
    found = {check.name: check for check in examine(home)}["warehouse version"]
    assert (found.level, found.fix) == ("error", f"throughline --home {home.root} upgrade")
    done = throughline(home, "upgrade")
    assert "Upgraded schema and semantics" in done.stdout
    assert "nothing new" in throughline(home, "load").stdout
    assert "Nothing to do" in throughline(home, "upgrade").stdout


def test_an_upgraded_warehouse_has_the_tables_of_a_new_one(home: Home, tmp_path: Path) -> None:
    fresh = bare_home(tmp_path / "fresh")
    load_now(fresh)
    report = run(home)
    assert report.before == (1, 1)
    assert report.after == (SCHEMA_VERSION, SEMANTICS_VERSION)
    assert set(query(home, RAW_COLUMNS)) == set(query(fresh, RAW_COLUMNS))
    same = "select event_id, record_kind, version_at, is_deleted, dedupe_key, revenue, user_id"
    same += ", content_digest from raw.events order by event_id"
    assert query(home, same) == query(fresh, same)


def test_what_was_loaded_is_not_loaded_again_and_what_is_new_is(home: Home) -> None:
    run(home)
    assert load_now(home).records == 0
    with (home.landing / "web" / "a.jsonl").open("a") as file:
        file.write(event(3) + "\n")
    assert load_now(home).records == 1
    assert query(home, "select count(*), count(record_kind) from raw.events") == [(4, 4)]


def test_the_file_as_it_was_is_kept(home: Home) -> None:
    before = query(home, "from raw.events order by all")
    copy = run(home).copy
    assert copy is not None
    with duckdb.connect(str(copy), read_only=True) as old:
        assert old.execute("from raw.events order by all").fetchall() == before
        assert old.execute("select schema_version from meta.warehouse").fetchall() == [(1,)]
    again = run(home)
    assert (again.before == again.after, again.copy) == (True, None)


@pytest.mark.parametrize("calls", [1, 2], ids=["before the version", "with the version"])
def test_an_upgrade_cut_off_anywhere_is_finished_by_the_next(
    home: Home, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    done, together = [], module._together

    def killed(connection, statements) -> None:
        if len(done) == calls - 1:
            connection.begin()
            for statement in statements[:1]:
                connection.execute(statement)
            raise KilledError  # neither committed nor rolled back, as by a kill
        done.append(statements)
        together(connection, statements)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_together", killed)
        with pytest.raises(KilledError):
            run(home)
    assert query(home, "select schema_version from meta.warehouse") == [(1,)]
    run(home)
    assert query(home, "select schema_version from meta.warehouse") == [(SCHEMA_VERSION,)]
    assert load_now(home).records == 0


def test_a_home_that_never_loaded_is_upgraded_too(tmp_path: Path) -> None:
    home = bare_home(tmp_path / "new")
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(
            "create schema meta; create table meta.warehouse as select"
            f" '{load_keys(home).key_id}' as key_id, 1 as schema_version,"
            " 1 as semantics_version"
        )
    assert run(home).after == (SCHEMA_VERSION, SEMANTICS_VERSION)
    assert load_now(home).records == 4


def test_a_home_of_a_newer_program_is_refused_with_what_to_do(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as connection:
        connection.execute(f"update meta.warehouse set schema_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(UserError, match="a newer Throughline") as refused:
        run(home)
    assert refused.value.fix == "Update the program: git pull && make install"
    assert not list(home.root.glob("before-schema-*"))


def test_other_keys_are_refused(home: Home) -> None:
    key = home.keys / FILES[0]
    key.write_text("ff" * 32)
    with pytest.raises(UserError, match="other keys"):
        run(home)


def test_every_version_has_its_step() -> None:
    assert [step.from_schema for step in module.STEPS] == list(range(1, SCHEMA_VERSION))
