import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.contracts import Contracts
from governance.errors import UserError

ORDER: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "order_completed",
    "x-version": "1-2-0",
    "x-owner": "shop@example.com",
    "x-interactive": True,
    "type": "object",
    "required": ["total"],
    "properties": {
        "total": {"type": "number", "minimum": 0, "x-class": "internal"},
        "plan": {"enum": ["free", "pro"], "x-class": "public"},
        "email": {"type": "string", "x-class": "direct_identifier"},
        "note": {"type": "string", "x-class": "free_text"},
        "health": {"type": "string", "x-class": "sensitive"},
        "items": {
            "type": "array",
            "items": {"type": "object", "properties": {"sku": {"type": "string"}}},
            "x-class": "internal",
        },
        "when": {"type": "string", "format": "date-time", "x-class": "internal"},
    },
}


def load(folder: Path, *schemas: dict[str, Any]) -> Contracts:
    for number, schema in enumerate(schemas):
        (folder / f"{number}.json").write_text(json.dumps(schema))
    return Contracts.load(folder)


@pytest.fixture
def contracts(tmp_path: Path) -> Contracts:
    return load(tmp_path, ORDER)


def test_a_contract_carries_what_its_owner_declared(contracts: Contracts) -> None:
    contract = contracts.get("order_completed")
    assert contract is not None
    assert (contract.version, contract.owner) == ("1-2-0", "shop@example.com")
    assert contract.interactive is True
    assert contract.classes["email"] == "direct_identifier"
    assert [c.event for c in contracts] == ["order_completed"]


def test_a_missing_folder_holds_no_contracts(tmp_path: Path) -> None:
    contracts = Contracts.load(tmp_path / "none")
    assert len(contracts) == 0
    assert contracts.judge("anything", {}).status == "unplanned"


def test_properties_that_keep_the_contract_are_valid(contracts: Contracts) -> None:
    verdict = contracts.judge("order_completed", {"total": 5, "plan": "pro", "unknown": 1})
    assert (verdict.status, verdict.version) == ("valid", "1-2-0")
    assert (verdict.pointer, verdict.detail) == (None, None)


@pytest.mark.parametrize(
    ("properties", "pointer", "said"),
    [
        ({"total": "s3cret"}, "/total", "number"),
        ({"total": -5.125}, "/total", "minimum"),
        ({"total": 1, "plan": "s3cret"}, "/plan", "free"),
        ({}, "", "required"),
        ({"total": 1, "items": [{"sku": 5.125}]}, "/items/0/sku", "string"),
        ({"total": 1, "when": "s3cret"}, "/when", "date-time"),
    ],
)
def test_an_invalid_event_names_the_place_and_the_rule_and_never_the_value(
    contracts: Contracts, properties: dict[str, object], pointer: str, said: str
) -> None:
    verdict = contracts.judge("order_completed", properties)
    assert (verdict.status, verdict.version, verdict.pointer) == ("invalid", "1-2-0", pointer)
    assert said in (verdict.detail or "")
    assert "s3cret" not in (verdict.detail or "")
    assert "5.125" not in (verdict.detail or "")


CLOSED = {
    "title": "e",
    "x-version": "1",
    "x-owner": "o",
    "additionalProperties": False,
    "propertyNames": {"maxLength": 60},
    "properties": {
        "a": {"x-class": "internal", "additionalProperties": {"type": "string"}},
        "b": {"x-class": "internal", "unevaluatedProperties": False},
        "c": {"x-class": "internal", "const": 1},
        "d": {"x-class": "internal", "not": {"type": "string"}},
        "e": {"x-class": "internal", "oneOf": [{"type": "integer"}, {"minimum": 3}]},
        "f": {
            "x-class": "internal",
            "type": "array",
            "uniqueItems": True,
            "contains": {"const": 1},
        },
        "g": {"x-class": "internal", "type": "string", "pattern": "^x", "maxLength": 3},
        "h": {"x-class": "internal", "propertyNames": {"pattern": "^x"}},
        "i": {"x-class": "internal", "dependentRequired": {"s3cret@x.com": ["z"]}},
        "j": {"x-class": "internal", "type": "number", "multipleOf": 2},
    },
}
SECRETS = st.sampled_from(["s3cret@x.com", {"s3cret@x.com": 1}, ["s3cret@x.com", "s3cret@x.com"]])


@given(st.dictionaries(st.sampled_from([*"abcdefghij", "s3cret@x.com"]), SECRETS, min_size=1))
def test_no_rule_repeats_what_the_event_holds(properties: dict[str, object]) -> None:
    verdict = _closed().judge("e", properties)
    assert "s3cret" not in f"{verdict.pointer} {verdict.detail}"


_CACHE: list[Contracts] = []


def _closed() -> Contracts:
    if not _CACHE:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            _CACHE.append(load(Path(folder), CLOSED))
    return _CACHE[0]


def test_properties_are_split_by_class(contracts: Contracts) -> None:
    properties = {"total": 5, "email": "a@b.co", "note": "hi", "health": "x", "unknown": 1}
    split = contracts.split("order_completed", properties)
    assert split.reviewed == {"total": 5}
    assert split.unreviewed == {"note": "hi", "health": "x", "unknown": 1}
    assert split.direct == {"email": "a@b.co"}


def test_nothing_of_an_unplanned_event_is_reviewed(contracts: Contracts) -> None:
    split = contracts.split("surprise", {"email": "a@b.co"})
    assert (split.reviewed, split.unreviewed, split.direct) == ({}, {"email": "a@b.co"}, {})


@given(st.dictionaries(st.sampled_from([*"abcdefghij", "z", "zz"]), st.integers()))
def test_splitting_loses_no_property(properties: dict[str, object]) -> None:
    split = _closed().split("e", properties)
    assert {**split.reviewed, **split.unreviewed, **split.direct} == properties
    assert len(split.reviewed) + len(split.unreviewed) + len(split.direct) == len(properties)


def changed(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**ORDER, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        (changed(title=None), "/title: is required"),
        (changed(**{"x-version": 1}), "/x-version: is required and must be a text"),
        (changed(**{"x-owner": ""}), "/x-owner: is required"),
        (changed(**{"x-interactive": "yes"}), "/x-interactive: must be true or false"),
        (changed(**{"$schema": "http://json-schema.org/draft-07/schema#"}), "/$schema: must be"),
        (changed(type="array"), "/type: must be object"),
        (changed(properties=[]), "/properties: must be an object"),
        (changed(properties={"a": {"type": "string"}}), "/properties/a/x-class: is required"),
        (changed(properties={"a": {"x-class": "publik"}}), "Did you mean 'public'?"),
        (changed(properties={"a": {"x-class": "unreviewed"}}), "/properties/a/x-class"),
        (changed(properties={"a": True}), "/properties/a: must be an object"),
        (changed(required="total"), "is not a valid JSON Schema"),
        (
            changed(properties={"a": {"x-class": "public", "pattern": "("}}),
            "not a valid JSON Schema",
        ),
        (changed(allOf=[{"$ref": "https://example.com/x.json"}]), "not a valid JSON Schema"),
        (
            changed(
                properties={
                    "a": {
                        "x-class": "internal",
                        "properties": {"b": {"x-class": "direct_identifier"}},
                    }
                }
            ),
            "/properties/a/properties/b/x-class: 'direct_identifier' differs",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_that_is_no_contract_is_refused_with_file_and_pointer(
    tmp_path: Path, schema: dict[str, Any], pointer: str
) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, schema)
    assert str(tmp_path / "0.json") in caught.value.what
    assert pointer in caught.value.what


@pytest.mark.parametrize("text", ["{", '{"title": "a", "title": "b"}', "[]", "\xff"], ids=repr)
def test_a_file_that_is_not_a_json_object_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"a\.json"):
        Contracts.load(tmp_path)


def test_an_event_has_one_contract(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1\.json: /title: 'order_completed' has a contract in 0"):
        load(tmp_path, ORDER, ORDER)


def test_all_faulty_files_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, changed(title=None), ORDER, changed(type="array", title="b"))
    assert "0.json" in caught.value.what
    assert "2.json" in caught.value.what


def test_properties_json_cannot_hold_are_invalid_and_not_a_crash(contracts: Contracts) -> None:
    verdict = contracts.judge("order_completed", {"total": object()})
    assert verdict.status == "invalid"
