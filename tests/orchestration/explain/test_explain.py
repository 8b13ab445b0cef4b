"""What ``throughline explain`` says of every case, word for word where the words matter."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from governance.home import Home
from governance.keys import Keys
from governance.starter import init_home
from orchestration.cli.entry import run
from tests.orchestration.explain.conftest import ANNA, BEN, SHARED, published_file

GOLDEN = Path(__file__).with_name("golden")
PHONE = "phone:tok_phone_" + "7" * 32
Captured = pytest.CaptureFixture[str]


def call(home: Home, *arguments: str) -> int:
    return run(["--home", str(home.root), "explain", *arguments])


def answer(home: Home, capsys: Captured, *arguments: str) -> dict:
    capsys.readouterr()
    assert call(home, *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def refusal(home: Home, capsys: Captured, *arguments: str) -> str:
    capsys.readouterr()
    assert call(home, *arguments) == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a_person_with_a_mailbox_that_is_not_theirs_alone", ["user_id:anna"]),
        ("a_mailbox_of_two", [f"email:{SHARED}"]),
        ("what_was_set_aside_and_why", ["user_id:cara"]),
        ("joined_step_by_step", ["user_id:anna", PHONE]),
        ("apart_by_a_conflict", ["user_id:anna", "user_id:ben"]),
        ("apart_by_an_override", ["user_id:cara", "user_id:dora"]),
        ("apart_for_nothing_names_both", ["user_id:anna", "user_id:zoe"]),
        ("a_device_and_its_user", ["user_id:anna", "anonymous_id:tablet"]),
        ("markdown", ["user_id:anna", "user_id:ben", "--markdown"]),
    ],
)
def test_the_answer_is_what_a_person_can_read(
    home: Home, capsys: Captured, name: str, arguments: list[str]
) -> None:
    assert call(home, *arguments) == 0
    shown, file = capsys.readouterr().out, GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(shown)
    assert shown == file.read_text()


def test_the_time_line_of_a_device_counts_the_events_of_each_run(
    home: Home, capsys: Captured
) -> None:
    device = answer(home, capsys, "device_id:tab-1")["device"]
    runs = [(run["person_id"], run["rule"], run["events"]) for run in device["runs"]["shown"]]
    assert runs == [
        (ANNA, "backfill", 1),
        (ANNA, "carry", 3),
        (BEN, "logout_to_next", 1),
        (BEN, "carry", 2),
        (device["device_key"], "anonymous", 2),
    ]
    assert [each["value"] for each in device["identifiers"]["shown"]] == ["tablet", "tab-1"]


def test_a_kiosk_is_called_one(home: Home, capsys: Captured) -> None:
    assert call(home, "kiosk") == 0
    assert "It is a kiosk: more people than identity.kiosk_limit" in capsys.readouterr().out


@pytest.mark.parametrize("typed", ["e5", "id_e5", "event:e5"])
def test_an_event_is_explained_by_its_rule_and_its_device(
    home: Home, capsys: Captured, typed: str
) -> None:
    found = answer(home, capsys, typed)
    assert found["event"]["rule"] == "logout_to_next"
    assert found["person_id"] == BEN
    assert found["device"]["runs"]["total"] == 5


def test_a_person_id_is_explained_like_its_identifiers(home: Home, capsys: Captured) -> None:
    found = answer(home, capsys, ANNA)
    assert found["identifiers"]["total"] == 4
    assert answer(home, capsys, ANNA, "user_id:ben")["is_same"] is False


def test_a_device_nobody_named_himself_on_is_a_person_of_its_own(
    home: Home, capsys: Captured
) -> None:
    key = answer(home, capsys, "kiosk")["device"]["device_key"]
    assert f"{key} is a device" in answer(home, capsys, key)["verdict"]


def test_what_names_nobody_is_explained_too(home: Home, capsys: Captured) -> None:
    assert "names nobody (null_like)" in answer(home, capsys, "user_id:undefined")["verdict"]


def test_a_statement_the_published_copy_does_not_know_says_so(home: Home, capsys: Captured) -> None:
    [said] = answer(home, capsys, "user_id:zoe", "user_id:ben")["statements"]
    assert (said["reason"], said["in_force"]) == ("he told us", False)
    [parted] = answer(home, capsys, "user_id:cara", "user_id:dora")["statements"]
    assert parted["in_force"] is True


def test_two_identifiers_of_one_device_are_one_device(home: Home, capsys: Captured) -> None:
    found = answer(home, capsys, "tablet", "tab-1")
    assert (found["is_same"], len(found["path"])) == (True, 1)


def test_a_value_of_two_kinds_is_listed(home: Home, capsys: Captured) -> None:
    shown = refusal(home, capsys, "ben")
    assert "user_id:ben, external:crm:ben" in shown
    assert "throughline explain user_id:ben" in shown


def test_an_unknown_one_is_told_with_similar_ones_and_where_it_may_be(
    home: Home, capsys: Captured
) -> None:
    shown = refusal(home, capsys, "user_id:anna3")
    assert "Did you mean user_id:anna or user_id:anna2" in shown.replace("\n", " ")
    assert "1,234 stripped and 3 quarantined" in shown.replace("\n", " ")


@pytest.mark.parametrize("typed", ["ada@example.com", "email:Ada@Example.com"])
def test_an_address_in_clear_is_asked_by_its_token_and_never_shown(
    home: Home, keys: Keys, capsys: Captured, typed: str
) -> None:
    shown = refusal(home, capsys, typed)
    assert keys.token("email", "ada@example.com") in shown
    assert "ada@" not in shown.lower()


@pytest.mark.parametrize(
    "typed", ["", "p_" + "0" * 32, "event:nothing", "user_id:", "external:x", "a\x00b", "\udce4"]
)
def test_nonsense_is_an_error_with_a_fix(home: Home, capsys: Captured, typed: str) -> None:
    assert "Fix:" in refusal(home, capsys, typed)


def test_the_same_twice_is_refused(home: Home, capsys: Captured) -> None:
    assert "Both are user_id:anna" in refusal(home, capsys, "user_id:anna", "anna")


def test_without_a_published_copy_it_says_what_to_run(empty_home: Home, capsys: Captured) -> None:
    assert "Fix: throughline run hourly" in refusal(empty_home, capsys, "user_id:anna")


def test_a_copy_of_before_says_what_it_lacks(tmp_path: Path, capsys: Captured) -> None:
    old = init_home(tmp_path / "old")
    with published_file(old) as connection:
        connection.execute("create schema marts; create table marts.fct_events (event_key text)")
    assert "bridge_identity_evidence" in refusal(old, capsys, "user_id:anna")


def test_a_component_of_thousands_is_cut_with_counts(tmp_path: Path, capsys: Captured) -> None:
    from tests.orchestration.explain.conftest import Town

    chain = init_home(tmp_path / "chain")
    with published_file(chain) as connection:
        Town(connection)
        connection.execute(
            f"""
            insert into marts.bridge_identities
            select 'user_id', format('u{{:05}}', i), '{ANNA}', 'alias', null, null, 1, 1, null
            from range(10000) as t(i);
            insert into marts.bridge_identity_evidence
            select 'user_id', format('u{{:05}}', i), 'user_id', format('u{{:05}}', i + 1), 'event',
                'backend', true, timestamp '2026-04-13', timestamp '2026-04-13', 1, 'k', true, null
            from range(9999) as t(i)
            """
        )
    found = answer(chain, capsys, "user_id:u05000")
    assert found["identifiers"]["total"] == 10_000
    assert found["used"]["total"] == 9_999
    assert len(found["used"]["shown"]) == 30
    assert found["used"]["shown"][0]["lower"]["value"] == "u05000"
    path = answer(chain, capsys, "user_id:u00000", "user_id:u09999")["path"]
    assert len(path) == 9_999
    assert call(chain, "user_id:u00000", "user_id:u09999") == 0
    assert len(capsys.readouterr().out) < 20_000


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_picture_is_the_same_every_time(
    home: Home, tmp_path: Path, capsys: Captured, suffix: str
) -> None:
    first, second = (tmp_path / f"{n}.{suffix}" for n in (1, 2))
    for file in (first, second):
        assert call(home, "user_id:anna", "--plot", str(file)) == 0
    assert first.read_bytes() == second.read_bytes()
    assert len(first.read_bytes()) > 1000


def test_a_picture_of_no_format_is_refused(home: Home, tmp_path: Path, capsys: Captured) -> None:
    assert call(home, "user_id:anna", "--plot", str(tmp_path / "a.gif")) == 2
    assert "--plot" in capsys.readouterr().err
