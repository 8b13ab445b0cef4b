"""What to write where too much was stripped, in the words of each way of being read."""

from typing import Any

import pytest

from governance.config import Source
from orchestration.doctor import consent_fix

BASE = {"name": "feed", "surface": "web", "trust": "server", "lawful_basis": "consent"}
MAPPING = {"event_name": "name", "occurred_at": "at", "user_id": "user"}
TABLES = [
    {"table": "kunden", "as": "persons", "mapping": {"user_id": "nr"}},
    {
        "table": "einwilligungen",
        "as": "consents",
        "mapping": {"occurred_at": "am", "user_id": "nr", "consent": {"analytics": "ja"}},
    },
]


def fix(again: bool = True, **keys: Any) -> str:
    return consent_fix(Source.model_validate(BASE | keys), again=again)


def test_of_a_ready_format_the_map_is_named():
    assert "consent_map: {analytics: context.consent" in fix(format="segment")
    assert "consent_map: {analytics: a.b}" in fix(
        format="segment", consent_map={"analytics": "a.b"}
    )


def test_of_a_mapping_its_own_field_is_named():
    dump = {"kind": "event_dumps", "path": "x/", "mapping": MAPPING}
    assert "mapping: consent: {analytics: COLUMN}" in fix(**dump)
    mapped = MAPPING | {"consent": {"analytics": "opt_in"}}
    assert "now opt_in" in fix(**dump | {"mapping": mapped})


def test_of_a_database_the_tables_are_named_and_the_ledger_is_offered():
    said = fix(kind="app_database", url="env:X", tables=TABLES)
    assert "consent: {analytics: COLUMN}" in said
    assert "(kunden)" in said
    assert "as: consents" in said


@pytest.mark.parametrize("again", [True, False])
def test_only_what_was_loaded_is_judged_again(again):
    assert ("throughline load feed --again" in fix(again=again, format="segment")) == again
