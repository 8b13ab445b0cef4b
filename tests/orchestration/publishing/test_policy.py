import json
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.classes import FIELD_CLASSES
from orchestration.publishing.digest import digest_rows
from orchestration.publishing.policy import masked_json, treatment

CONNECTION = duckdb.connect()
LEAVES = st.none() | st.booleans() | st.integers() | st.text() | st.floats()
KEYS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)
DOCUMENTS = st.dictionaries(KEYS, VALUES, max_size=4)


@given(DOCUMENTS, st.booleans())
def test_a_masked_json_has_the_names_of_its_members_and_nothing_else(
    document: Any, spaced: bool
) -> None:
    separators = (" , ", " : ") if spaced else (",", ":")
    text = json.dumps(document, ensure_ascii=False, separators=separators)
    query = f"select {masked_json('document')} from (select ?::varchar as document)"
    masked = CONNECTION.execute(query, [text]).fetchone()
    assert masked is not None
    assert json.loads(masked[0]) == dict.fromkeys(document)


def test_a_key_below_the_top_level_is_a_value() -> None:
    query = f"select {masked_json('document')} from (select ?::varchar as document)"
    text = '{"diagnosis": {"HIV positive": true}, "friends": [{"Anna": 1}]}'
    assert CONNECTION.execute(query, [text]).fetchone() == ('{"diagnosis":null,"friends":null}',)


@pytest.mark.parametrize(
    "text",
    [
        "Infinity",
        "12",
        "secret",
        '"secret"',
        '{"a": secret}',
        '"open',
        '{"a":1} secret',
        '[{"a":1}]',
    ],
)
def test_text_that_is_no_json_object_shows_nothing(text: str) -> None:
    with duckdb.connect() as connection:
        query = f"select {masked_json('document')} from (select ?::varchar as document)"
        assert connection.execute(query, [text]).fetchone() == (None,)


def test_every_class_has_a_treatment_and_an_unknown_one_is_withheld() -> None:
    found = {column_class: treatment(column_class, "analyst") for column_class in FIELD_CLASSES}
    assert {name for name, treated in found.items() if treated == "withhold"} == {
        "direct_identifier",
        "sensitive",
        "free_text",
    }
    assert found["unreviewed"] == "mask"
    assert treatment("made up", "analyst") == "withhold"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("('a', 'b')", "('ab', '')"),
        ("('a', null)", "('a', 'NULL')"),
        ("('x', 'x'), ('x', 'x')", "('y', 'y'), ('y', 'y')"),
        ("('a\",\"b', 'c')", "('a', 'b\",\"c')"),
    ],
    ids=["border of columns", "null and its name", "pairs cancel in a XOR", "quotes"],
)
def test_different_rows_have_different_digests(one: str, other: str) -> None:
    with duckdb.connect() as connection:
        digests = {
            digest_rows(connection, f"(values {rows}) t(a, b)", ["a", "b"]) for rows in (one, other)
        }
    assert len(digests) == 2
