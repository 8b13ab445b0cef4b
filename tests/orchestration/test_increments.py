"""What the last build did, as the materializations wrote it down and as people are told."""

from __future__ import annotations

import duckdb
import pytest

from orchestration.increments import Increment, read_increments, rebuilt

WRITTEN = """
    create schema increments;
    create table increments.models (
        model varchar, signature varchar, version bigint, changes_since bigint, strategy varchar,
        reason varchar, touched_keys bigint, computed_rows bigint, changed_rows bigint
    );
    insert into increments.models values
        ('fct_sessions', 's', 3, 2, 'by key', 'inputs changed', 5, 9, 2),
        ('int_funnels', 's', 2, 2, 'full', 'its code or configuration changed', null, 4, null),
        ('rpt_ltv', 's', 1, 1, 'full', 'it was never built', null, 7, null),
        ('int_sources', 's', 2, 2, 'full', 'its code or configuration changed', null, 1, null);
"""


@pytest.fixture
def connection():
    with duckdb.connect() as con:
        yield con


def test_before_the_first_build_there_is_nothing_to_tell(connection) -> None:
    assert read_increments(connection) == {}


def test_what_was_built_from_nothing_is_named_with_its_reason(connection) -> None:
    connection.execute(WRITTEN)
    found = read_increments(connection)
    assert found["fct_sessions"] == Increment("fct_sessions", "by key", "inputs changed", 5, 9, 2)
    assert rebuilt(found) == {
        "it was never built": ["rpt_ltv"],
        "its code or configuration changed": ["int_funnels", "int_sources"],
    }


def test_the_page_of_an_asset_shows_counts_that_were_made(connection) -> None:
    connection.execute(WRITTEN)
    found = read_increments(connection)
    assert found["rpt_ltv"].metadata() == {"built": "full: it was never built", "rows computed": 7}
    assert found["fct_sessions"].metadata() == {
        "built": "by key: inputs changed",
        "keys touched": 5,
        "rows computed": 9,
        "rows changed": 2,
    }
