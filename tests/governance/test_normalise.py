import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import normalise


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" John@Example.COM ", "john@example.com"),
        ("ｊｏｈｎ＠example.com", "john@example.com"),
        ("Jörg@Example.com", "jörg@example.com"),
        ("john+tag@mail.example.com", "john+tag@mail.example.com"),
        ("john", None),
        ("@example.com", None),
        ("john@localhost", None),
        ("john doe@example.com", None),
        ("jörg x@example.com", None),
        ("a@b@example.com", None),
        ("x" * 250 + "@example.com", None),
    ],
)
def test_emails_have_one_spelling(value: str, expected: str | None) -> None:
    assert normalise.email(value) == expected


@pytest.mark.parametrize(
    ("value", "region", "expected"),
    [
        ("+49 (0)151 1234-5678", None, "+4915112345678"),
        ("+4915112345678", None, "+4915112345678"),
        ("tel:+1-202-555-0143", None, "+12025550143"),
        ("0151 12345678", "DE", "+4915112345678"),
        ("(202) 555-0143", None, "2025550143"),
        ("202.555.0143", None, "2025550143"),
        ("+12", None, None),
        ("hello", None, None),
        ("123", None, None),
    ],
)
def test_phone_numbers_have_one_spelling(
    value: str, region: str | None, expected: str | None
) -> None:
    assert normalise.phone(value, region) == expected


def test_ids_are_trimmed_and_keep_their_case() -> None:
    assert normalise.identifier("  uSeR_1\n") == "uSeR_1"


@given(st.one_of(st.text(max_size=40), st.emails(), st.from_regex(r"\+?[0-9 ()-]{6,16}")))
def test_normalising_twice_is_normalising_once(value: str) -> None:
    for function in (normalise.identifier, normalise.email, normalise.phone):
        once = function(value)
        assert once is None or function(once) == once


@given(st.emails())
def test_case_and_space_around_an_email_do_not_matter(value: str) -> None:
    assert normalise.email(f" {value.upper()} ") == normalise.email(value.upper().lower())
