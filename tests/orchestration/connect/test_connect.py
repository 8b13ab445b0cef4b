"""``throughline connect`` as its user meets it: what is found, asked, shown, written, refused."""

from __future__ import annotations

import gzip
import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from governance.config import load_config
from governance.home import Home
from governance.keys import load_keys
from governance.starter import init_home
from ingestion.load import load
from orchestration.cli.entry import run
from orchestration.connect.questions import Given
from orchestration.connect.session import propose
from tests.servers import Database, Server, start_postgres

TRACK = {
    "type": "track",
    "event": "Viewed",
    "messageId": "m1",
    "userId": "u1",
    "timestamp": "2026-04-13T10:00:00Z",
}
NATIVE = {
    "event_name": "viewed",
    "occurred_at": "2026-04-13T10:00:00Z",
    "subject": {"user_id": "u1"},
}
AMPLITUDE = {
    "uuid": "a-1",
    "event_type": "open",
    "event_time": "2026-04-13 10:00:00.000000",
    "user_id": "u1",
    "device_id": "d1",
}
STRIPE = {
    "received_at": "2026-04-13T10:00:01Z",
    "headers": {"Stripe-Signature": "t=1"},
    "body": {
        "id": "evt_1",
        "object": "event",
        "type": "customer.created",
        "created": 1_776_074_400,
        "data": {"object": {"id": "cus_1", "object": "customer", "email": "a@example.com"}},
    },
}
GITHUB = {
    "received_at": "2026-04-13T10:00:01Z",
    "headers": {"X-GitHub-Event": "star", "X-GitHub-Delivery": "d-1"},
    "body": {"action": "created", "sender": {"id": 7, "login": "x"}},
}
SEAT = {
    "received_at": "2026-04-13T10:00:01Z",
    "headers": {"X-Delivery": "d-1"},
    "body": {"id": "s-1", "event": "seat_added", "user_id": "u1"},
}
LOG = (
    '203.0.113.9 - - [13/Apr/2026:10:00:00 +0000] "GET /docs HTTP/1.1" 200 512 "-" "Mozilla/5.0"\n'
)
CSV = "id;customer_id;total;currency;ordered_at\n1;u1;9.50;EUR;2026-04-13T10:00:00Z\n"
BASIS = ("--lawful-basis", "contract", "--yes")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return init_home(tmp_path / "acme")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def shop(home: Home) -> Path:
    """An SQLite file with persons, orders, and a table of neither."""
    path = home.root / "shop.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "create table kunden (kundennr integer primary key, email text, geaendert_am text);"
            "create table bestellungen (bestellnr text primary key, kundennr integer,"
            " betrag numeric, waehrung text, bestellt_am text);"
            "create table lager (regal text primary key, menge integer);"
            "insert into kunden values (1, 'a@example.com', '2026-04-13T10:00:00Z');"
            "insert into bestellungen values ('B1', 1, 9.5, 'EUR', '2026-04-13T10:00:00Z');"
        )
    return path


def lines(folder: Path, *records: Any, name: str = "a.jsonl") -> None:
    (folder / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def connect(home: Home, *options: str) -> int:
    return run(["--home", str(home.root), "connect", *options])


def refused(home: Home, capsys, *options: str, code: int = 1) -> str:
    """What a refusal says; nothing of the home may have changed."""
    before = home.config.read_bytes(), home.env.read_bytes()
    assert connect(home, *options) == code
    assert (home.config.read_bytes(), home.env.read_bytes()) == before
    said = capsys.readouterr().err
    assert "Fix: " in said
    return said


@pytest.mark.parametrize(
    ("record", "kind", "shape"),
    [
        (TRACK, "landing", "segment"),
        ({"path": "/v1/batch", "headers": {}, "body": {"batch": [TRACK]}}, "landing", "segment"),
        (NATIVE, "landing", "native"),
        (AMPLITUDE, "event_dumps", "amplitude"),
        (STRIPE, "webhook_logs", "stripe"),
        (GITHUB, "webhook_logs", "github"),
        (SEAT, "webhook_logs", "mapped"),
    ],
)
def test_json_is_known_by_its_first_records(home, place, record, kind, shape):
    lines(place, record)
    assert connect(home, "--name", "it", "--path", str(place), *BASIS) == 0
    source = load_config(home).source("it")
    assert (source.kind, source.shape, source.folder) == (kind, shape, str(place))


@pytest.mark.parametrize("record", [TRACK, NATIVE, AMPLITUDE, STRIPE, GITHUB, SEAT])
def test_what_was_connected_is_loaded_as_it_was_shown(home, place, record, capsys):
    lines(place, record)
    connect(home, "--name", "it", "--path", str(place), *BASIS, "--json")
    shown = json.loads(capsys.readouterr().out)
    report = load(home, load_config(home), load_keys(home), sources=["it"])
    [loaded] = report.sources
    assert shown["counts"] == {"accepted": 1}
    assert (loaded.accepted, loaded.records) == (1, 1)


def test_a_zip_of_gzipped_lines_is_known_by_what_is_in_it(home, place):
    with zipfile.ZipFile(place / "export.zip", "w") as archive:
        archive.writestr("1/1_h.json.gz", gzip.compress(json.dumps(AMPLITUDE).encode() + b"\n"))
    assert connect(home, "--path", str(place), *BASIS) == 0
    source = load_config(home).source("place")
    assert (source.kind, source.shape) == ("event_dumps", "amplitude")


@pytest.mark.parametrize("name", ["access.log", "access.log.1", "other_vhosts"])
def test_access_logs_are_known_whatever_they_are_called(home, place, name):
    (place / name).write_text(LOG)
    assert connect(home, "--path", str(place), *BASIS) == 0
    source = load_config(home).source("place")
    assert (source.shape, source.row_identity) == ("combined_log", "position")


def test_a_csv_gets_a_mapping_and_an_identity(home, place, capsys):
    (place / "sales.csv").write_text(CSV)
    assert connect(home, "--path", str(place), "--json", *BASIS) == 0
    shown = json.loads(capsys.readouterr().out)
    mapping = load_config(home).source("place").mapping
    assert mapping is not None
    assert mapping.amount is not None
    assert mapping.amount.sources == ("total",)
    assert load_config(home).source("place").row_identity == "position"
    [record] = shown["records"]
    assert (record["amount"], record["currency"], record["who"]) == (
        "9.500000",
        "EUR",
        {"user_id": "u1"},
    )


def test_a_column_said_goes_over_one_that_was_guessed(home, place):
    (place / "sales.csv").write_text(CSV)
    options = ("--map", "event_name=currency", "--map", "properties.sum=total")
    assert connect(home, "--path", str(place), *options, *BASIS) == 0
    mapping = load_config(home).source("place").mapping
    assert mapping is not None
    assert mapping.event_name is not None
    assert mapping.event_name.sources == ("currency",)
    assert mapping.properties["sum"].sources == ("total",)


def test_an_address_is_looked_at_where_it_lies(home, capsys):
    feed = fsspec.filesystem("memory")
    feed.pipe("/feed/a.jsonl", json.dumps(TRACK).encode() + b"\n")
    assert connect(home, "--path", "memory://feed", *BASIS) == 0
    source = load_config(home).source("feed")
    assert (source.folder, source.shape) == ("memory://feed", "segment")


def test_a_folder_in_the_home_is_written_relative(home):
    lines(home.landing / "web", TRACK)
    assert connect(home, "--path", "landing/web", *BASIS) == 0
    [source] = load_config(home).sources  # the example, which read this folder, gave way
    assert (source.name, source.folder, source.shape) == ("web", "landing/web/", "segment")


def test_the_example_of_init_gives_way_while_it_has_no_files(home, place):
    lines(place, NATIVE)
    assert connect(home, "--name", "web", "--path", str(place), *BASIS) == 0
    assert [source.name for source in load_config(home).sources] == ["web"]
    assert connect(home, "--name", "two", "--path", str(place), *BASIS) == 1  # the same files


def test_the_example_of_init_stays_once_it_has_files(home, place):
    lines(home.landing / "web", NATIVE)
    lines(place, NATIVE)
    assert connect(home, "--name", "other", "--path", str(place), *BASIS) == 0
    assert [source.name for source in load_config(home).sources] == ["web", "other"]


def test_dry_run_prints_the_yaml_and_writes_nothing(home, place, capsys):
    lines(place, TRACK)
    before = home.config.read_bytes()
    assert connect(home, "--path", str(place), "--lawful-basis", "contract", "--dry-run") == 0
    assert capsys.readouterr().out.startswith("  - name: place\n    kind: landing\n")
    assert home.config.read_bytes() == before


def test_consent_that_stands_in_the_records_is_found(home, place, capsys):
    consent = {"consent": {"categoryPreferences": {"Analytics": True, "Advertising": False}}}
    lines(place, TRACK | {"context": consent})
    assert connect(home, "--path", str(place), "--lawful-basis", "consent", "--yes") == 0
    assert load_config(home).source("place").consent_map == {
        "analytics": "context.consent.categoryPreferences.Analytics",
        "marketing": "context.consent.categoryPreferences.Advertising",
    }
    assert "1 accepted" in capsys.readouterr().out


def test_what_would_be_stripped_is_said_with_the_yaml_that_changes_it(home, place, capsys):
    lines(place, TRACK, TRACK | {"messageId": "m2"})
    assert connect(home, "--path", str(place), "--lawful-basis", "consent", "--yes") == 0
    said = capsys.readouterr().out
    assert "100% would be stripped" in said
    assert "consent_map: {analytics: " in said
    assert "--again" not in said  # nothing was loaded yet


def test_a_database_is_listed_guessed_tried_and_written(home, shop, capsys):
    assert connect(home, "--name", "shop", "--url", "sqlite:///shop.db", *BASIS) == 0
    said = capsys.readouterr().out
    assert "kunden: persons, 1 row" in said
    assert "lager: left out, nothing in it looks like" in said
    source = load_config(home).source("shop")
    assert {t.table: t.as_ for t in source.tables} == {
        "kunden": "persons",
        "bestellungen": "orders",
    }
    assert [t.cursor for t in source.tables] == [None, "geaendert_am"]
    assert str(source.url) == "sqlite:///shop.db"
    assert not (home.root / "landing/shop").exists()


def test_only_the_tables_named_are_read(home, shop):
    options = ("--table", "kunden=persons", "--map", "email=")
    assert connect(home, "--name", "shop", "--url", "sqlite:///shop.db", *options, *BASIS) == 0
    [table] = load_config(home).source("shop").tables
    assert table.table == "kunden"
    assert table.mapping.email is None


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    yield from start_postgres()


@pytest.fixture
def database(server: Server) -> Database:
    found = server.database()
    found.run("create table users (id int primary key, email text)")
    return found


def test_an_address_goes_to_env_and_is_never_said(home, database, capsys):
    assert connect(home, "--name", "shop", "--url", database.url, *BASIS) == 0
    said = "".join(capsys.readouterr())
    assert database.url not in said + home.config.read_text()
    assert f"SHOP_DB_URL={database.url}\n" in home.env.read_text()
    assert home.env.stat().st_mode & 0o777 == 0o600
    assert str(load_config(home).source("shop").url) == "env:SHOP_DB_URL"


def test_a_wrong_password_is_refused_without_a_word_of_it(home, database, server, capsys):
    database.run(f"create role reader_{database.name} login password 'right'")
    url = server.url(database.name, f"reader_{database.name}", "wrong-one")
    said = refused(home, capsys, "--name", "shop", "--url", url, *BASIS)
    assert "does not let this user in" in said
    assert "wrong-one" not in said


def test_a_user_without_rights_is_told_which(home, database, server, capsys):
    database.run(f"create role guest_{database.name} login password 'right'")
    url = server.url(database.name, f"guest_{database.name}", "right")
    assert "GRANT SELECT" in refused(home, capsys, "--name", "shop", "--url", url, *BASIS)


def test_a_table_this_user_may_not_read_does_not_hide_the_others(home, database, server, capsys):
    role = f"some_{database.name}"
    database.run(
        f"create role {role} login password 'right'",
        "create table orders (id int primary key, user_id int, total int, created_at timestamptz)",
        "insert into users values (1, 'a@example.com')",
        f"grant select on users to {role}",
    )
    url = server.url(database.name, role, "right")
    assert connect(home, "--name", "shop", "--url", url, *BASIS) == 0
    said = capsys.readouterr().out
    assert "users: persons, 1 row" in said
    assert "orders: left out, may not be read by this user" in said
    assert "GRANT SELECT ON orders" in said


def test_large_tables_are_not_counted(home, database, monkeypatch, capsys):
    monkeypatch.setattr("orchestration.connect.tables.COUNTED_ROWS", 500)
    database.run(
        "insert into users select n, n || '@example.com' from generate_series(1, 1000) as n",
        "analyze users",
    )
    assert connect(home, "--name", "shop", "--url", database.url, *BASIS) == 0
    assert "users: persons, about 1,000 rows" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--path", "nowhere"), "There is no folder nowhere"),
        (("--path", "PLACE/a.jsonl"), "is a file"),
        (("--path", "PLACE", "--name", "web", "--kind", "app_database"), "has no --path"),
        (("--path", "PLACE", "--url", "env:X"), "two places"),
        (("--path", "PLACE", "--table", "a=events"), "Files have no --table"),
        (("--path", "PLACE", "--kind", "landin"), "--kind landing"),
        (("--path", "PLACE", "--format", "stripe", "--kind", "landing"), "--kind webhook_logs"),
        (("--path", "PLACE", "--consent", "ads=x"), "where consent is"),
        (("--path", "PLACE", "--map", "nonsense=x"), "names no field"),
        (("--path", "PLACE", "--map", "user_id=x"), "is mapped already"),
        (("--path", "PLACE", "--name", "No Name"), "can not be the name"),
        (("--url", "env:NOT_SET"), "is not set"),
        (("--url", "env:NOT_SET", "--format", "segment"), "has no --format"),
        (("--url", "oracle://x"), "no address of a database"),
        (("--url", "sqlite:///none.db"), "does not exist"),
        (("--url", "sqlite:///shop.db", "--table", "kunde=persons"), "Did you mean 'kunden'?"),
        (("--url", "sqlite:///shop.db", "--table", "kunden=person"), "Did you mean 'persons'?"),
        (("--url", "sqlite:///shop.db", "--table", "lager"), "can not be seen"),
        (("--url", "sqlite:///shop.db", "--table", "lager=orders"), "--map lager:"),
        (
            ("--url", "sqlite:///shop.db", "--table", "kunden", "--map", "email=mail"),
            "Did you mean 'email'?",
        ),
    ],
)
def test_every_mistake_has_its_fix(home, place, shop, capsys, options, said):
    lines(place, TRACK)
    options = tuple(option.replace("PLACE", str(place)) for option in options)
    usage = (
        "landin" in options
        or "app_database" in options
        or "two places" in said
        or said
        in (
            "Files have no --table",
            "where consent is",
            "names no field",
            "is mapped already",
            "has no --format",
            "no address of a database",
            "Did you mean 'persons'?",
        )
    )
    assert said in refused(home, capsys, *options, *BASIS, code=2 if usage else 1)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", b'[\n{"a": 1},\n{"b": 2}\n]\n', "jq -c '.[]'"),
        ("a.json", b"not json\n", "No line of a.json is a JSON object"),
        ("a.bin", b"\x00\x01", "has an ending nobody knows"),
        ("a.log", b"just some text\n", "no access log"),
        ("a.jsonl.gz", gzip.compress(b"{}\n" * 100, mtime=0)[:-9], "cannot be read"),
        ("a.zip", b"PK\x03\x04 broken", "not a whole zip"),
        ("a.parquet", b"PAR1 broken", "Parquet"),
        ("a.csv", "na\u00efve;t\n1;2\n".encode("latin-1"), "encoding"),
        ("a.csv", b"x,y\n1,2\n", "--map occurred_at=COLUMN"),
    ],
)
def test_every_file_that_cannot_be_read_has_its_fix(home, place, capsys, name, content, said):
    (place / name).write_bytes(content)
    assert said.lower() in refused(home, capsys, "--path", str(place), *BASIS).lower()


def test_an_empty_folder_is_told(home, place, capsys):
    assert "There are no files" in refused(home, capsys, "--path", str(place), *BASIS)


def test_a_lawful_basis_is_never_proposed(home, place, capsys):
    lines(place, TRACK)
    said = refused(home, capsys, "--path", str(place), "--yes", code=2)
    assert "Nobody but you can know" in said
    assert "--lawful-basis consent|contract|legitimate_interests|not_personal" in said


def test_nobody_at_the_terminal_and_no_yes_is_told(home, place, capsys):
    lines(place, TRACK)
    said = refused(home, capsys, "--path", str(place), "--lawful-basis", "contract", code=2)
    assert "--yes" in said


def test_a_taken_name_is_refused_with_a_free_one(home, place, tmp_path, capsys):
    lines(place, NATIVE)
    assert connect(home, "--name", "feed", "--path", str(place), *BASIS) == 0
    capsys.readouterr()
    other = tmp_path / "other"
    other.mkdir()
    lines(other, NATIVE)
    said = refused(home, capsys, "--name", "feed", "--path", str(other), *BASIS)
    assert "--name feed_2" in said


def test_a_taken_secret_is_never_overwritten(home, shop, capsys):
    with home.env.open("a") as file:
        file.write("SHOP_DB_URL=postgresql://somewhere/else\n")
    url = "postgresql://user:password@nowhere.invalid/shop"
    said = refused(home, capsys, "--name", "shop", "--url", url, *BASIS)
    assert "--url env:SHOP_DB_URL" in said
    assert "password@" not in said


def test_a_configuration_that_is_broken_is_left_alone(home, place, capsys):
    lines(place, TRACK)
    home.config.write_text(home.config.read_text().replace("currency: EUR", "currencyy: EUR"))
    assert "currencyy" in refused(home, capsys, "--path", str(place), *BASIS)


class Person:
    """Answers from a list, and notes what was asked."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def _answer(self, option: str, default: str | None) -> str:
        name = option.removeprefix("--").replace("-", "_")
        self.asked.append(name)
        answer = self.answers.get(name, default)
        assert answer is not None, f"nobody answers {option}"
        return answer

    def choose(self, option, question, choices, default):
        answer = self._answer(option, default)
        assert answer in choices
        return answer

    def text(self, option, question, default):
        return self._answer(option, default)

    def secret(self, option, question):
        return self._answer(option, None)


def test_a_person_is_asked_a_few_questions_about_files(home, place):
    lines(place, TRACK)
    person = Person(path=str(place), lawful_basis="contract", surface="mobile")
    found = propose(home, load_keys(home), Given(), person)
    assert person.asked == ["path", "name", "kind", "surface", "trust", "lawful_basis"]
    assert (found.source.name, found.source.surface) == ("place", "mobile")
    assert "place" not in home.config.read_text()
    found.write()
    assert load_config(home).source("place") == found.source


def test_a_person_is_asked_a_few_questions_about_a_database(home, shop):
    person = Person(url="sqlite:///shop.db", lawful_basis="contract", table="kunden=persons")
    found = propose(home, load_keys(home), Given(kind="app_database"), person)
    assert person.asked == ["url", "name", "table", "surface", "trust", "lawful_basis"]
    assert [table.table for table in found.source.tables] == ["kunden"]
    assert found.skipped[0].table == "lager"


def test_a_write_that_fails_takes_the_secret_back(home, database, monkeypatch):
    monkeypatch.setattr("orchestration.connect.steps.replace_file", _full)
    given = Given(name="shop", url=database.url, lawful_basis="contract")
    found = propose(home, load_keys(home), given, Person())
    before = home.env.read_bytes(), home.config.read_bytes()
    with pytest.raises(OSError, match="full"):
        found.write()
    assert (home.env.read_bytes(), home.config.read_bytes()) == before


def _full(*_: object) -> None:
    raise OSError(28, "full")


def test_a_person_at_a_terminal_is_asked_shown_and_obeyed(home, place):
    lines(place, TRACK)
    answers = [str(place), "feed", "", "mob", "nonsense", "", "contract", "y"]
    ours, theirs = os.openpty()
    os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
    program = Path(sys.executable).with_name("throughline")
    done = subprocess.run(
        [str(program), "--home", str(home.root), "connect"],
        stdin=theirs,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "One of public, server, signed." in done.stderr
    assert "Viewed" in done.stderr  # tried before it is confirmed
    source = load_config(home).source("feed")
    assert (source.surface, source.trust, source.lawful_basis) == ("mobile", "public", "contract")
