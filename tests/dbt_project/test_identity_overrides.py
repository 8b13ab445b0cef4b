"""From the file to what counts, by a real load and the real dbt project."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from ingestion.identity_overrides import append_override
from ingestion.named_identifiers import as_pair, read_identifier
from orchestration.inputs import inputs_digest
from tests.ingestion.house import NATIVE, House, event
from tests.properties.warehouse import build

AT = datetime(2026, 4, 13, 10, tzinfo=UTC)
STAGED = (
    "select action, a_kind || ':' || a_value, b_kind || ':' || b_value, position, stated_at"
    " from staging.stg_identity_overrides order by position"
)


def say(house: House, action: str, *written: str) -> None:
    pair = as_pair(*(read_identifier(text, house.keys) for text in written))
    append_override(house.home, action, pair, author="Ada", reason="told us", at=AT)


def test_what_counts_of_the_file_is_staged(tmp_path: Path) -> None:
    house = House(tmp_path, NATIVE)
    house.land(event(1))
    say(house, "link", "user_id:u2", "user_id:u1")
    say(house, "link", "email:anna@example.com", "external:stripe:cus_1")
    say(house, "link", "anonymous_id:a", "device_id:d")
    say(house, "unlink", "user_id:u1", "user_id:u2")
    say(house, "reset", "device_id:d", "anonymous_id:a")
    house.load()
    select = ["--select", "stg_loads", "stg_identity_overrides"]
    build(house.home, {}, "build", *select, target=tmp_path / "target")
    email = str(read_identifier("email:anna@example.com", house.keys))
    moment = AT.replace(tzinfo=None)
    assert house.rows(STAGED) == [
        ("link", "external:stripe:cus_1", email, 2, moment),
        ("unlink", "user_id:u1", "user_id:u2", 4, moment),
    ]


def test_a_statement_changes_what_the_marts_are_made_from(tmp_path: Path) -> None:
    house = House(tmp_path, NATIVE)
    house.land(event(1))

    def digest() -> str:
        house.load()
        with duckdb.connect(str(house.home.warehouse)) as connection:
            return inputs_digest(house.home, house.config, connection)

    before = digest()
    assert digest() == before
    say(house, "link", "user_id:u2", "user_id:u1")
    after = digest()
    assert after != before
    assert digest() == after
    house.home.identity_overrides.unlink()
    assert digest() == before
