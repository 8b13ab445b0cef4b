from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.consent import (
    ACCEPTED,
    Flag,
    LawfulBasis,
    as_boolean,
    combine,
    judge,
    read_consent_map,
    read_flag,
)

FLAGS = st.sampled_from(get_args(Flag))


@pytest.mark.parametrize(
    ("basis", "accepted"),
    [
        ("consent", {"granted"}),
        ("legitimate_interests", {"granted", "missing"}),
        ("contract", set(get_args(Flag))),
        ("not_personal", set(get_args(Flag))),
    ],
)
def test_each_basis_accepts_exactly_these_flags(basis: LawfulBasis, accepted: set[Flag]) -> None:
    assert {flag for flag in get_args(Flag) if judge(basis, flag) is ACCEPTED} == accepted


@given(st.sampled_from(get_args(LawfulBasis)), FLAGS)
def test_what_is_stripped_says_why(basis: LawfulBasis, flag: Flag) -> None:
    decision = judge(basis, flag)
    assert decision.reason == (None if decision.disposition == "accepted" else flag)


@pytest.mark.parametrize(
    ("value", "flag"),
    [
        (True, "granted"),
        (False, "denied"),
        (None, "missing"),
        ("true", "unreadable"),
        (1, "unreadable"),
        (0, "unreadable"),
        ("", "unreadable"),
        ({}, "unreadable"),
        ([True], "unreadable"),
    ],
    ids=repr,
)
def test_only_json_booleans_speak(value: object, flag: Flag) -> None:
    assert read_flag(value) == flag


@given(FLAGS, FLAGS, FLAGS)
def test_statements_combine_in_any_order(one: Flag, two: Flag, three: Flag) -> None:
    assert combine(one, two) == combine(two, one)
    assert combine(combine(one, two), three) == combine(one, combine(two, three))
    assert combine(one, one) == one


@given(FLAGS, FLAGS)
def test_two_statements_never_grant_what_one_of_them_withholds(one: Flag, two: Flag) -> None:
    if combine(one, two) == "granted":
        assert {one, two} <= {"granted", "missing"}


def test_a_grant_and_a_denial_contradict() -> None:
    assert combine("granted", "denied") == "contradictory"


@given(FLAGS)
def test_only_a_grant_is_stored_as_true(flag: Flag) -> None:
    assert (as_boolean(flag) is True) == (flag == "granted")
    assert (as_boolean(flag) is False) == (flag == "denied")


SEGMENT = "context.consent.categoryPreferences.Analytics"


@pytest.mark.parametrize(
    ("record", "flag"),
    [
        ({"context": {"consent": {"categoryPreferences": {"Analytics": True}}}}, "granted"),
        ({"context": {"consent": {"categoryPreferences": {"Analytics": False}}}}, "denied"),
        ({"context": {"consent": {"categoryPreferences": {"Analytics": "yes"}}}}, "unreadable"),
        ({"context": {"consent": {"categoryPreferences": {"analytics": True}}}}, "missing"),
        ({"context": {"consent": "all"}}, "unreadable"),
        ({"context": {"consent": None}}, "missing"),
        ({}, "missing"),
    ],
    ids=str,
)
def test_a_mapped_flag_is_read_at_its_path(record: dict[str, object], flag: Flag) -> None:
    assert read_consent_map(record, {"analytics": SEGMENT}) == {"analytics": flag}
