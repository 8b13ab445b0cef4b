"""What people said about identifiers: the file, its mistakes, and its way into raw."""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import duckdb
import jinja2
import pytest

from governance.errors import UserError
from ingestion.identifiers import Identifiers
from ingestion.identity_overrides import (
    append_override,
    contradicted,
    read_overrides,
    what_counts,
)
from ingestion.named_identifiers import (
    NamedIdentifier,
    as_pair,
    is_null_like,
    read_identifier,
)
from tests.conftest import ROOT
from tests.ingestion.house import House, event

AT = datetime(2026, 4, 13, 10, tzinfo=UTC)
MACROS = ROOT / "dbt_project" / "macros" / "identifiers.sql"
KINDS = ("user_id", "external:stripe", "email", "phone", "anonymous_id", "device_id")
RAW = "select action, a_kind, a_value, b_kind, b_value, position from raw.identity_overrides"


def statement(*identifiers: str, **changes: object) -> dict[str, object]:
    return {
        "action": "link",
        "identifiers": list(identifiers or ("user_id:u1", "user_id:u2")),
        "author": "Ada",
        "reason": "told us",
        "at": "2026-04-13T10:00:00Z",
    } | changes


def write(house: House, *lines: object) -> Path:
    path = house.home.identity_overrides
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def say(house: House, action: str, one: str, other: str) -> int:
    pair = as_pair(*(read_identifier(text, house.keys) for text in (one, other)))
    return append_override(house.home, action, pair, author="Ada", reason="told us", at=AT)


# identifiers


@pytest.mark.parametrize(
    ("written", "kind", "subject"),
    [
        ("email: Anna@Example.com ", "email", {"email": "anna@example.com"}),
        ("phone:+49 30 1234567", "phone", {"phone": "+49301234567"}),
        ("phone:030 1234567", "phone", {"phone": "030-1234567"}),
        ("user_id:u_1", "user_id", {"user_id": "u_1"}),
        ("user_id:anna@example.com", "user_id", {"user_id": " ANNA@example.com"}),
        ("user_id:acct/anna@example.com", "user_id", {"user_id": "acct/anna@example.com"}),
        ("anonymous_id:ａ-1", "anonymous_id", {"anonymous_id": "a-1"}),
        ("device_id:a:b:c", "device_id", {"device_id": "a:b:c"}),
        ("external:Stripe:cus_1", "external:stripe", {"external_ids": {"stripe": "cus_1"}}),
    ],
)
def test_an_identifier_is_read_as_ingestion_stores_it(house, written, kind, subject):
    house.land(event(1, subject={"user_id": "u9"} | subject))
    house.load()
    column = {"email": "email_token", "phone": "phone_token"}.get(kind, kind)
    stored = "external_ids ->> 'stripe'" if kind == "external:stripe" else column
    [(value,)] = house.rows(f"select {stored} from raw.events")
    assert read_identifier(written, house.keys) == NamedIdentifier(kind, value)


def test_a_token_is_taken_as_it_is(house):
    token = Identifiers(house.keys).email("anna@example.com", "")
    in_clear = read_identifier("email:anna@example.com", house.keys)
    assert read_identifier(f"email:{token}", house.keys) == in_clear
    assert read_identifier(f"user_id:{token}", house.keys).value == token


@pytest.mark.parametrize(
    ("written", "what", "fix"),
    [
        ("u7", "no kind", "one of these kinds"),
        ("anna@example.com", "no kind", "email:"),
        ("+49 30 1234567", "no kind", "phone:"),
        ("userid:u7", "no kind that is known", "user_id:"),
        ("external:cus_1", "namespace", "external:stripe:cus_1"),
        ("external:a b:cus_1", "namespace", "external:stripe:cus_1"),
        ("email:anna", "no e-mail address", "tok_email_"),
        ("phone:abc", "no phone number", "tok_phone_"),
        ("email:tok_phone_" + "0" * 32, "no e-mail address", "tok_email_"),
        ("phone:tok_email_" + "0" * 32, "no phone number", "tok_phone_"),
        ("user_id:", "names nobody", "one person"),
        ("user_id: Undefined ", "names nobody", "one person"),
        ("device_id:00000000-0000-0000-0000-000000000000", "names nobody", "one person"),
    ],
)
def test_what_is_no_identifier_is_refused_with_the_fix_and_never_repeated(
    house, written, what, fix
):
    with pytest.raises(UserError, match=what) as refused:
        read_identifier(written, house.keys)
    assert fix in refused.value.fix
    assert "anna@" not in str(refused.value)
    assert "1234567" not in str(refused.value)


def test_the_stronger_identifier_stands_first(house):
    order = ["user_id:a", "user_id:b", "external:a:9", "external:b:1", "email:a@b.example"]
    read = [read_identifier(text, house.keys) for text in [*order, "phone:+49301234567"]]
    for stronger, weaker in pairwise(read):
        assert as_pair(weaker, stronger) == as_pair(stronger, weaker) == (stronger, weaker)


def test_a_pair_is_two_different_ones_of_persons_or_of_devices(house):
    def pair(*texts: str) -> None:
        as_pair(*(read_identifier(text, house.keys) for text in texts))

    with pytest.raises(UserError, match="Both identifiers are email:tok_email_"):
        pair("email:anna@example.com", "email:ANNA@example.com")
    with pytest.raises(UserError, match=r"device_id:d names a device, user_id:u a person"):
        pair("user_id:u", "device_id:d")


def macro(name: str, value: str) -> str:
    source = jinja2.Environment(autoescape=False).from_string(
        MACROS.read_text(), globals={"var": lambda _: {}}
    )
    return getattr(source.module, name)(value)


def test_nobody_is_the_same_in_python_and_in_the_warehouse():
    listed = macro("is_null_like", "x").split("(\n", 1)[1].split(")\n")[0]
    known = [part.strip(" '\n") for part in listed.split("in (")[1].split(",")]
    assert "undefined" in known
    tried = [*known, *(text.upper() for text in known), "0-0", "-", "--", "000", "0 0"]
    tried += ["00:00:00:00:00:00", "02:00:00:00:00:01"]
    tried += ["u1", "10", "a", "nulls", "test1", "00a", "Tést"]
    for value in tried:
        sql = f"select {macro('is_null_like', 'value')} from (select ? as value)"
        assert duckdb.execute(sql, [value]).fetchone() == (is_null_like(value),), value


def test_the_priority_of_a_kind_is_the_same_in_python_and_in_the_warehouse():
    for kind in KINDS:
        sql = f"select {macro('kind_priority', 'kind')} from (select ? as kind)"
        assert duckdb.execute(sql, [kind]).fetchone() == (NamedIdentifier(kind, "x").order[0],)


# the file


def test_no_file_says_nothing(house):
    assert read_overrides(house.home, house.keys) == ()


def test_a_statement_that_was_appended_is_read_back(house):
    assert say(house, "link", "user_id:u2", "email:anna@example.com") == 1
    assert say(house, "unlink", "email:anna@example.com", "user_id:u2") == 2
    first, second = read_overrides(house.home, house.keys)
    assert (first.action, second.action, second.position) == ("link", "unlink", 2)
    assert first.pair == second.pair
    assert [each.kind for each in first.pair] == ["user_id", "email"]
    assert (first.author, first.reason, first.at) == ("Ada", "told us", AT)
    assert "anna@" not in house.home.identity_overrides.read_text()


def test_blank_lines_a_byte_order_mark_and_an_editors_last_line_do_no_harm(house):
    path = house.home.identity_overrides
    path.write_text("\ufeff\n" + json.dumps(statement()) + "\r\n\n" + json.dumps(statement()))
    assert say(house, "reset", "user_id:u1", "user_id:u2") == 5
    assert [each.position for each in read_overrides(house.home, house.keys)] == [2, 4, 5]


def test_what_is_written_keeps_the_mode_of_the_file_and_all_that_stood_there(house):
    path = write(house, statement())
    before = path.read_bytes()
    path.chmod(0o640)
    say(house, "reset", "user_id:u1", "user_id:u2")
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.read_bytes().startswith(before)


def test_a_file_kept_elsewhere_is_appended_to_where_it_is(house, tmp_path):
    kept = tmp_path / "in git.jsonl"
    kept.write_text("")
    house.home.identity_overrides.symlink_to(kept)
    say(house, "link", "user_id:u1", "user_id:u2")
    assert kept.read_text().count("\n") == 1
    assert house.home.identity_overrides.is_symlink()


def test_a_line_that_could_not_be_written_leaves_the_file_as_it_was(house, monkeypatch):
    path = write(house, statement())
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        say(house, "reset", "user_id:u1", "user_id:u2")
    assert path.read_bytes() == before


def test_people_who_write_at_once_get_a_line_each(house):
    lines: list[int] = []

    def work(number: int) -> None:
        lines.append(say(house, "link", f"user_id:a{number}", f"user_id:b{number}"))

    workers = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(lines) == list(range(1, 21))
    assert len(read_overrides(house.home, house.keys)) == 20


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ('{"action": "link", "action": "unlink"}', "the same key twice"),
        ('{"action": "\\ud800"}', "surrogate"),
        (statement(action="merge"), "action must be link, unlink or reset"),
        (statement(extra=1), "extra is no field"),
        ({"action": "link"}, "identifiers is missing"),
        (statement("user_id:u1"), "identifiers must be a list of two"),
        (statement("user_id:u1", "user_id:u2", "user_id:u3"), "a list of two"),
        (statement(identifiers="user_id:u1"), "a list of two"),
        (statement(identifiers=["user_id:u1", 7]), "identifiers must be a text"),
        (statement(author=" "), "author must not be empty"),
        (statement(reason=""), "reason must not be empty"),
        (statement(at="2026-04-13T10:00:00"), "with its zone"),
        (statement(at="yesterday"), "with its zone"),
        (statement(at="0001-01-01T00:00:00+14:00"), "with its zone"),
        (statement("user_id:u1", "user_id:u1"), "Both identifiers are"),
        (statement("user_id:u1", "device_id:d1"), "names a device"),
        (statement("user_id:u1", "uid:u2"), "no kind that is known"),
        (statement("user_id:u1", "user_id:null"), "names nobody"),
        (statement("user_id:u1", "user_id:u\u00a02"), "not written as the warehouse stores it"),
        (statement("user_id:u1", "external:Stripe:c"), "not written as the warehouse stores it"),
    ],
)
def test_a_broken_line_is_named_with_a_fix(house, line, what):
    path = write(house, statement(), line)
    with pytest.raises(UserError, match=what) as refused:
        read_overrides(house.home, house.keys)
    assert f"{path}, line 2" in refused.value.what
    assert refused.value.fix


@pytest.mark.parametrize("clear", ["email:anna@example.com", "user_id:anna@example.com"])
def test_an_address_in_clear_is_refused_with_the_token_to_write(house, clear):
    write(house, statement("user_id:u1", clear))
    with pytest.raises(UserError, match="line 1") as refused:
        read_overrides(house.home, house.keys)
    assert str(read_identifier(clear, house.keys)) in refused.value.fix
    assert "anna@" not in str(refused.value)


def test_a_file_that_is_none_is_a_mistake(house):
    house.home.identity_overrides.mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        read_overrides(house.home, house.keys)


def test_of_a_pair_the_last_line_counts_and_reset_removes_it(house):
    say(house, "link", "user_id:u1", "user_id:u2")
    say(house, "link", "user_id:u3", "user_id:u4")
    say(house, "unlink", "user_id:u2", "user_id:u1")
    say(house, "reset", "user_id:u4", "user_id:u3")
    counting = what_counts(read_overrides(house.home, house.keys))
    assert [(each.action, each.position) for each in counting.values()] == [("unlink", 3)]


def test_links_that_bring_together_what_is_never_one_contradict_it(house):
    say(house, "link", "user_id:u1", "user_id:u2")
    say(house, "link", "user_id:u3", "user_id:u2")
    say(house, "unlink", "user_id:u1", "user_id:u9")
    assert contradicted(read_overrides(house.home, house.keys)) == []
    say(house, "unlink", "user_id:u1", "user_id:u3")
    [found] = contradicted(read_overrides(house.home, house.keys))
    assert found.position == 4
    say(house, "reset", "user_id:u1", "user_id:u2")
    assert contradicted(read_overrides(house.home, house.keys)) == []


# the load


def test_every_load_reads_the_file_anew(house):
    house.load()
    assert house.rows(RAW) == []
    say(house, "link", "user_id:u2", "user_id:u1")
    house.load()
    assert house.rows(RAW) == [("link", "user_id", "u1", "user_id", "u2", 1)]
    [(at, kind)] = house.rows("select stated_at, typeof(stated_at) from raw.identity_overrides")
    assert (at, kind) == (AT.replace(tzinfo=None), "TIMESTAMP")
    say(house, "reset", "user_id:u2", "user_id:u1")
    house.load()
    assert house.rows("select count(*) from raw.identity_overrides") == [(2,)]
    house.home.identity_overrides.unlink()
    house.load()
    assert house.rows(RAW) == []


def test_patterns_in_words_people_wrote_into_the_file_are_masked(house):
    write(house, statement(author="anna@example.com", reason="call +49 30 1234567"))
    house.load()
    assert house.rows("select author, reason from raw.identity_overrides") == [
        ("[email]", "call [phone]")
    ]


def test_nothing_is_loaded_while_a_line_is_broken(house):
    house.land(event(1))
    house.load()
    write(house, statement())
    house.load()
    house.land(event(2))
    write(house, statement(), "{")
    with pytest.raises(UserError, match="line 2"):
        house.load()
    assert house.rows("select count(*) from raw.events") == [(1,)]
    assert house.rows("select count(*) from raw.identity_overrides") == [(1,)]
    write(house, statement())
    assert house.load().records == 1
