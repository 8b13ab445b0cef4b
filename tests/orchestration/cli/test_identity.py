"""``throughline identity``: what is said, what is refused, and what is shown of it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import duckdb
import pytest

from governance.home import Home
from governance.keys import load_keys
from governance.starter import init_home
from ingestion.identity_overrides import read_overrides
from ingestion.named_identifiers import read_identifier
from orchestration.backup.restore import restore
from orchestration.backup.take import back_up
from orchestration.cli.entry import run

U1, U2 = "user_id:u1", "user_id:u2"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return init_home(tmp_path / "acme")


def identity(home: Home, *arguments: str) -> int:
    return run(["--home", str(home.root), "identity", *arguments])


def say(home: Home, action: str, a: str, b: str, *more: str, reason: str = "told us") -> int:
    return identity(home, action, a, b, "--reason", reason, "--author", "Ada", *more)


def answer(home: Home, capsys: Captured, *arguments: str) -> dict:
    capsys.readouterr()
    identity(home, *arguments, "--json")
    return json.loads(capsys.readouterr().out)


def publish(home: Home, *rows: tuple[str, str, str]) -> None:
    """A published copy that holds only the identifiers."""
    folder = home.published / "analyst" / "20260101T000000Z-00000000"
    folder.mkdir(parents=True)
    (folder.parent / "current").symlink_to(folder.name)
    with duckdb.connect(str(folder / "analytics.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.bridge_identities (kind text, value text, person_id text)"
        )
        for row in rows:
            connection.execute("insert into marts.bridge_identities values (?, ?, ?)", row)


def test_a_link_says_what_it_does_where_it_stands_and_what_to_type(
    home: Home, capsys: Captured
) -> None:
    assert say(home, "link", U2, U1) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("From the next run on these two stand for one person:\n  user_id:u1\n")
    assert "line 1 of" in shown
    assert "identity_overrides.jsonl" in shown
    assert shown.endswith("Next: throughline run hourly\n")
    [said] = read_overrides(home, load_keys(home))
    assert (said.action, said.author, said.reason) == ("link", "Ada", "told us")


@pytest.mark.parametrize(
    ("action", "pair", "effect"),
    [
        ("unlink", (U1, U2), "never one person"),
        ("link", ("anonymous_id:a", "device_id:d"), "are one device"),
        ("unlink", ("anonymous_id:a", "device_id:d"), "never one device"),
    ],
)
def test_each_statement_tells_its_own_effect(
    home: Home, capsys: Captured, action: str, pair: tuple[str, str], effect: str
) -> None:
    assert say(home, action, *pair) == 0
    assert effect in capsys.readouterr().out


def test_a_contradicting_statement_says_which_it_replaces(home: Home, capsys: Captured) -> None:
    say(home, "link", U1, U2, reason="one mailbox")
    found = answer(home, capsys, "unlink", U2, U1, "--reason", "sisters", "--author", "Bo")
    assert found["line"] == 2
    assert found["replaces"]["line"] == 1
    say(home, "reset", U1, U2)
    shown = capsys.readouterr().out
    assert "This replaces line 2, unlink (Bo, " in shown
    assert "sisters" in shown
    say(home, "link", U1, U2)
    assert "replaces" not in capsys.readouterr().out


@pytest.mark.parametrize("action", ["link", "unlink"])
def test_what_counts_already_is_not_written_again(
    home: Home, capsys: Captured, action: str
) -> None:
    say(home, action, U1, U2)
    capsys.readouterr()
    assert say(home, action, U2, U1) == 0
    assert f"nothing written: line 1, {action} (Ada" in capsys.readouterr().out
    assert home.identity_overrides.read_text().count("\n") == 1


def test_nothing_can_be_taken_back_of_which_nothing_was_said(home: Home, capsys: Captured) -> None:
    assert say(home, "reset", U1, U2) == 0
    assert "nothing to take back" in capsys.readouterr().out
    assert not home.identity_overrides.exists()


@pytest.mark.parametrize(
    ("pair", "what"),
    [
        ((U1, "user_id: u1"), "Both identifiers are user_id:u1"),
        ((U1, "device_id:d"), "device_id:d names a device, user_id:u1 a person"),
        ((U1, "usr:u2"), "Fix: Did you mean user_id:"),
        ((U1, "user_id:undefined"), "names nobody"),
        ((U1, "anna@example.com"), "Fix: Write email:"),
        ((U1, "email:anna"), "no e-mail address"),
        ((U1, "user_id:\udcff"), "not valid UTF-8"),
    ],
)
def test_a_mistake_is_refused_with_its_fix_and_nothing_is_written(
    home: Home, capsys: Captured, pair: tuple[str, str], what: str
) -> None:
    assert say(home, "link", *pair) == 1
    told = capsys.readouterr().err
    assert what in told
    assert "Fix: " in told
    assert "anna@" not in told
    assert not home.identity_overrides.exists()


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001])
def test_a_reason_is_required(home: Home, capsys: Captured, reason: str) -> None:
    assert say(home, "link", U1, U2, reason=reason) == 1
    assert "A reason has" in capsys.readouterr().err
    assert identity(home, "link", U1, U2) == 2


def test_a_broken_file_is_named_before_anything_is_added(home: Home, capsys: Captured) -> None:
    home.identity_overrides.write_text("{\n")
    assert say(home, "link", U1, U2) == 1
    assert "identity_overrides.jsonl, line 1" in capsys.readouterr().err
    assert identity(home, "list") == 1
    assert home.identity_overrides.read_text() == "{\n"


# who says it


def test_the_author_is_whom_git_knows(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run(["git", "init", "-q", str(home.root)], check=True)
    subprocess.run(["git", "-C", str(home.root), "config", "user.name", "Ada L."], check=True)
    identity(home, "link", U1, U2, "--reason", "told us")
    assert read_overrides(home, load_keys(home))[0].author == "Ada L."


@pytest.mark.parametrize("known", ["", "ada@example.com"], ids=["none", "an address"])
def test_without_a_name_in_git_the_author_is_the_user(
    home: Home, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    if known:
        monkeypatch.setattr("orchestration.overrides._names", lambda home: iter([known, "ada"]))
    identity(home, "link", U1, U2, "--reason", "told us")
    assert read_overrides(home, load_keys(home))[0].author == "ada"


def test_an_author_without_a_name_is_asked_for_one(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr("getpass.getuser", nobody)
    assert identity(home, "link", U1, U2, "--reason", "told us") == 1
    assert "--author NAME" in capsys.readouterr().err


def test_an_address_is_no_author(home: Home, capsys: Captured) -> None:
    given = ("--reason", "told us", "--author", "ada@example.com")
    assert identity(home, "link", U1, U2, *given) == 1
    assert "--author NAME" in capsys.readouterr().err


# nothing direct in clear


def test_addresses_and_numbers_are_nowhere_in_clear(home: Home, capsys: Captured) -> None:
    clear = ("email:anna@example.com", "phone:+49 30 1234567")
    assert say(home, "link", *clear, reason="anna@example.com called") == 0
    assert say(home, "link", "user_id:anna@example.com", U1) == 0
    assert identity(home, "list", "--all") == 0
    told = capsys.readouterr()
    for text in (told.out, told.err, home.identity_overrides.read_text()):
        assert "anna" not in text
        assert "1234567" not in text
    token = str(read_identifier(clear[0], load_keys(home)))
    assert token in told.out
    assert "in the reason were masked" in told.out
    # the token that was shown can be typed as well
    assert say(home, "unlink", token, clear[1]) == 0
    assert "This replaces line 1" in capsys.readouterr().out


def test_what_was_typed_is_not_in_the_log_of_a_fault(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def broken(*given: object, **more: object) -> None:
        raise RuntimeError("no")

    typed = ["identity", "link", "email:anna@example.com", "phone:0301234567", U1]
    monkeypatch.setattr("sys.argv", ["throughline", *typed])
    monkeypatch.setattr("orchestration.overrides.state_override", broken)
    assert say(home, "link", "email:anna@example.com", "phone:0301234567") == 4
    [log] = home.logs.glob("throughline-*.log")
    assert "anna" not in log.read_text()
    assert "0301234567" not in log.read_text()
    assert U1 in log.read_text()


# what the published copy knows


def test_identifiers_nobody_has_seen_are_doubted_and_written(home: Home, capsys: Captured) -> None:
    publish(home, ("user_id", "u1", "p_1"))
    assert say(home, "link", U1, "user_id:typo") == 0
    shown = capsys.readouterr().out
    assert "warning: user_id:typo is not in the published copy" in shown
    assert "warning: user_id:u1" not in shown
    assert home.identity_overrides.exists()


def test_without_a_published_copy_nothing_is_doubted(home: Home, capsys: Captured) -> None:
    say(home, "link", U1, U2)
    assert "warning" not in capsys.readouterr().out


def test_a_published_copy_that_cannot_be_asked_is_left_alone(home: Home, capsys: Captured) -> None:
    publish(home)
    with duckdb.connect(str(home.published / "analyst" / "current" / "analytics.duckdb")) as copy:
        copy.execute("drop table marts.bridge_identities")
    assert say(home, "link", U1, U2) == 0
    assert "warning" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("action", "other", "doubt"),
    [
        ("link", "p_1", "one person already"),
        ("link", "p_2", None),
        ("unlink", "p_1", None),
        ("unlink", "p_2", "are not one person"),
    ],
)
def test_what_is_so_already_is_said(
    home: Home, capsys: Captured, action: str, other: str, doubt: str | None
) -> None:
    publish(home, ("user_id", "u1", "p_1"), ("user_id", "u2", other))
    found = answer(home, capsys, action, U1, U2, "--reason", "told us")
    assert len(found["warnings"]) == bool(doubt)
    assert not doubt or doubt in found["warnings"][0]


# list


def test_list_shows_what_counts_and_with_all_what_did(home: Home, capsys: Captured) -> None:
    say(home, "link", U1, U2, reason="one mailbox")
    say(home, "unlink", U1, U2, reason="sisters")
    say(home, "link", "user_id:u3", "user_id:u4")
    say(home, "reset", "user_id:u3", "user_id:u4")
    assert [row["line"] for row in answer(home, capsys, "list")["overrides"]] == [2]
    found = answer(home, capsys, "list", "--all")["overrides"]
    assert [(row["line"], row["counts"], row["replaced_by"]) for row in found] == [
        (1, False, 2),
        (2, True, None),
        (3, False, 4),
        (4, False, None),
    ]
    assert identity(home, "list", "--all") == 0
    shown = capsys.readouterr().out.splitlines()
    assert "replaced by line 2" in shown[1]
    assert shown[1].endswith("one mailbox")
    assert "counts" in shown[2]


def test_list_of_nothing_says_how_to_say_something(home: Home, capsys: Captured) -> None:
    assert identity(home, "list") == 0
    assert "throughline identity link A B" in capsys.readouterr().out


def test_statements_that_cannot_all_be_true_are_named(home: Home, capsys: Captured) -> None:
    say(home, "link", U1, U2)
    say(home, "link", U2, "user_id:u3")
    capsys.readouterr()
    assert say(home, "unlink", U1, "user_id:u3") == 0
    assert "Line 3 says that user_id:u1 and user_id:u3 are never one" in capsys.readouterr().out
    identity(home, "list")
    assert "warning: Line 3" in capsys.readouterr().out


# status and doctor


def test_status_says_that_a_statement_waits_for_the_next_run(home: Home, capsys: Captured) -> None:
    def status() -> dict:
        capsys.readouterr()
        run(["--home", str(home.root), "status", "--json"])
        return json.loads(capsys.readouterr().out)

    run(["--home", str(home.root), "load"])
    assert status()["overrides"] == "loaded"
    say(home, "link", U1, U2)
    found = status()
    assert (found["overrides"], found["next_command"]) == ("waiting", "throughline run hourly")
    run(["--home", str(home.root), "load"])
    assert status()["overrides"] == "loaded"
    home.identity_overrides.unlink()
    assert status()["overrides"] == "waiting"


def test_status_and_doctor_tell_of_a_broken_file(home: Home, capsys: Captured) -> None:
    home.identity_overrides.write_text("{\n")
    assert run(["--home", str(home.root), "status"]) == 0
    shown = capsys.readouterr().out
    assert "CANNOT BE READ" in shown
    assert "next         throughline identity list" in shown
    assert run(["--home", str(home.root), "doctor"]) == 1
    assert "identity_overrides.jsonl, line 1" in capsys.readouterr().out


# the file is the owner's


def test_a_backup_holds_the_file(home: Home, tmp_path: Path) -> None:
    say(home, "link", U1, U2)
    written = home.identity_overrides.read_bytes()
    back_up(home, tmp_path / "b", keys_to=tmp_path / "k")
    again = Home(tmp_path / "again")
    restore(again, tmp_path / "b", keys_from=tmp_path / "k")
    assert again.identity_overrides.read_bytes() == written


def test_git_of_a_new_home_keeps_the_file(home: Home) -> None:
    subprocess.run(["git", "init", "-q", str(home.root)], check=True)
    say(home, "link", U1, U2)
    ignored = subprocess.run(
        ["git", "-C", str(home.root), "check-ignore", "identity_overrides.jsonl"], check=False
    )
    assert ignored.returncode == 1
