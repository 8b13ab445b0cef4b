"""What a declared mapping makes of records and of rows."""

from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from zoneinfo import ZoneInfo

import pytest

from governance.config import Mapping, Table
from ingestion.delivery import Delivery
from ingestion.formats.mapped import mapped, mapped_paths
from ingestion.refusals import Reason, Refusal


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def native(mapping, record, table=None, item=0):
    declared = Mapping.model_validate(mapping)
    if table:
        table = Table.model_validate({"table": "t", "as": table, "mapping": mapping})
    made = mapped(declared, digest, table=table)
    return made.to_native(record, Delivery(record, None, None, None, None, False), item)


def event(mapping, record):
    return native(mapping, record).event


def test_a_path_reads_a_column_a_member_and_an_item() -> None:
    mapping = {"event_name": "a.b", "user_id": "list.1.id", "order_id": "dotted.column"}
    record = {"a": {"b": "x"}, "list": [{}, {"id": 7}], "dotted.column": "o"}
    found = event(mapping, record)
    assert found["event_name"] == "x"
    assert found["subject"]["user_id"] == "7"
    assert found["revenue"] == {"order_id": "o"}


def test_the_first_path_that_says_something_counts() -> None:
    mapping = {"user_id": {"from": ["a", "b", "c"]}}
    assert event(mapping, {"a": None, "b": "", "c": "x"})["subject"]["user_id"] == "x"
    assert event(mapping, {"a": 0, "c": "x"})["subject"]["user_id"] == "0"


def test_a_template_needs_all_its_parts() -> None:
    mapping = {"event_id": {"template": "{InvoiceNo}-{Line}"}}
    assert event(mapping, {"InvoiceNo": 536365, "Line": "2"})["event_id"] == "536365-2"
    assert event(mapping, {"InvoiceNo": 536365})["event_id"] is None


def test_a_map_turns_what_it_names_and_nothing_else() -> None:
    mapping = {"email_verified": {"from": "ok", "map": {"1": True, "false": False}}}
    assert event(mapping, {"ok": 1})["subject"]["email_verified"] is True
    assert event(mapping, {"ok": False})["subject"]["email_verified"] is False
    assert event(mapping, {"ok": 2})["subject"]["email_verified"] is None


@pytest.mark.parametrize(
    ("spec", "value", "written"),
    [
        ({}, "2026-04-13T10:00:00+02:00", "2026-04-13T08:00:00.000000Z"),
        ({}, datetime(2026, 4, 13, 10, tzinfo=ZoneInfo("Asia/Tokyo")), "2026-04-13T01:00"),
        ({"time_zone": "Europe/Berlin"}, datetime(2026, 7, 1, 10), "2026-07-01T08:00"),
        ({"time_zone": "Europe/Berlin"}, "2026-01-01 10:00", "2026-01-01T09:00"),
        ({}, date(2026, 4, 13), "2026-04-13T00:00"),
        ({"unit": "s"}, 1776067200, "2026-04-13T08:00"),
        ({"unit": "ms"}, "1776067200123", "2026-04-13T08:00:00.123000Z"),
        ({"unit": "us"}, 1776067200123456, "2026-04-13T08:00:00.123456Z"),
        ({"unit": "s"}, -1, "1969-12-31T23:59:59"),
        ({"time_format": "%d/%m/%Y %H:%M"}, "01/12/2010 08:26", "2010-12-01T08:26"),
    ],
)
def test_times_are_read_in_every_declared_form(spec, value, written) -> None:
    found = event({"occurred_at": {"from": "t"} | spec}, {"t": value})["occurred_at"]
    assert found.startswith(written)


@pytest.mark.parametrize("value", [1776067200, "yesterday", True, "12/13/2010 08:26", 1e300])
def test_what_is_no_time_is_refused_by_name(value) -> None:
    with pytest.raises(Refusal) as refused:
        event({"occurred_at": "t"}, {"t": value})
    assert refused.value.reason is Reason.INVALID_TIME


@pytest.mark.parametrize(
    ("spec", "record", "amount"),
    [
        ({}, {"p": "2.55"}, "2.55"),
        ({}, {"p": 2.55}, "2.55"),
        ({"times": "q"}, {"p": Decimal("2.55"), "q": 6}, "15.30"),
        ({"times": "q"}, {"p": 2.55, "q": -6}, "-15.30"),
        ({"unit": "minor"}, {"p": 1999, "c": "EUR"}, "19.99"),
        ({"unit": "minor"}, {"p": 1999, "c": "jpy"}, "1999"),
        ({"unit": "minor"}, {"p": 1999, "c": "KWD"}, "1.999"),
        ({"negate": True}, {"p": 5}, "-5"),
        ({"decimal": ","}, {"p": "-1.234,50"}, "-1234.50"),
        ({"decimal": ","}, {"p": " 12,5 "}, "12.5"),
        ({"decimal": ","}, {"p": "1234567"}, "1234567"),
        ({"decimal": ","}, {"p": Decimal("12.50")}, "12.50"),
    ],
)
def test_amounts_are_exact(spec, record, amount) -> None:
    mapping = {"amount": {"from": "p"} | spec, "currency": "c", "order_id": {"value": "o"}}
    assert event(mapping, record)["revenue"]["amount"] == Decimal(amount)


@pytest.mark.parametrize(
    ("decimal", "written"), [(".", "1.234,50"), (",", "189.00"), (",", "1,234.50"), (",", "12,")]
)
def test_an_amount_that_is_none_is_refused(decimal, written) -> None:
    with pytest.raises(Refusal, match="invalid_field"):
        event({"amount": {"from": "p", "decimal": decimal}}, {"p": written})


def test_a_hashed_field_keeps_nothing_of_what_it_was() -> None:
    mapping = {"anonymous_id": {"template": "{host} {agent}", "hash": True}}
    found = event(mapping, {"host": "203.0.113.9", "agent": "x"})
    assert found["subject"]["anonymous_id"] == digest(b"203.0.113.9 x")


def test_a_star_takes_what_is_mapped_nowhere_else() -> None:
    record = {"id": 1, "name": "x", "plan": "pro", "at": datetime(2026, 1, 1), "_tl_hash": "h"}
    mapping = {"user_id": "id", "event_name": "name", "properties": "*"}
    assert event(mapping, record)["properties"] == {
        "plan": "pro",
        "at": "2026-01-01T00:00:00.000000Z",
    }


def test_classes_of_properties_travel_with_them() -> None:
    mapping = {"properties": {"plan": {"from": "plan", "class": "internal"}, "note": "note"}}
    assert native(mapping, {"plan": "pro", "note": "n"}).classes == {"plan": "internal"}


def test_a_mapping_says_which_columns_it_reads() -> None:
    mapping = Mapping.model_validate(
        {
            "event_id": {"template": "{a}-{b}"},
            "amount": {"from": "p", "times": "q"},
            "consent": {"analytics": "ok"},
            "properties": "*",
        }
    )
    assert mapped_paths(mapping) == {
        "event_id": ["a", "b"],
        "amount": ["p", "q"],
        "consent.analytics": ["ok"],
        "properties.*": [],
    }


ROW = {
    "id": 7,
    "mail": "a@example.com",
    "_tl_key": "[7]",
    "_tl_hash": "h1",
    "_tl_version_at": datetime(2026, 4, 1, tzinfo=UTC),
    "_tl_observed_at": datetime(2026, 4, 2, tzinfo=UTC),
    "_tl_deleted": False,
}


def test_every_version_of_a_person_is_a_record_of_its_own() -> None:
    mapping = {"user_id": "id", "email": "mail"}
    first = native(mapping, ROW, "persons")
    second = native(mapping, ROW | {"_tl_hash": "another"}, "persons")
    again = native(mapping, ROW | {"_tl_observed_at": datetime(2026, 5, 1, tzinfo=UTC)}, "persons")
    assert first.kind == "person"
    assert first.event["event_type"] == "identify"
    assert first.event["occurred_at"] == "2026-04-01T00:00:00.000000Z"
    assert first.received_at == "2026-04-02T00:00:00.000000Z"
    assert first.event["event_id"] != second.event["event_id"]
    assert first.event["event_id"] == again.event["event_id"]


ORDER = {
    "order_id": "id",
    "user_id": "who",
    "occurred_at": "at",
    "amount": "sum",
    "currency": {"value": "EUR"},
    "refunded_amount": "back",
    "refunded_at": "back_at",
}


def test_an_order_is_a_sale_and_what_was_refunded_of_it() -> None:
    row = ROW | {"at": date(2026, 4, 1), "sum": 10, "back": 4, "back_at": date(2026, 4, 2)}
    sale, refund = (native(ORDER, row, "orders", item) for item in (0, 1))
    assert (sale.event["event_name"], sale.event["revenue"]["amount"]) == ("order_completed", 10)
    assert (refund.event["event_name"], refund.event["revenue"]["amount"]) == ("order_refunded", -4)
    assert refund.event["occurred_at"].startswith("2026-04-02")
    assert sale.event["event_id"] != refund.event["event_id"]
    assert not sale.deleted
    assert not refund.deleted


@pytest.mark.parametrize("back", [None, 0])
def test_a_refund_that_is_not_or_no_more_gives_no_event(back) -> None:
    row = ROW | {"at": date(2026, 4, 1), "sum": 10, "back": back, "back_at": None}
    found = native(ORDER, row, "orders", 1)
    assert found.deleted
    assert found.event["subject"] == {}
    assert found.event.keys() == {"event_id", "event_name", "event_type", "occurred_at", "subject"}


def test_a_row_that_is_gone_is_a_version_without_an_event() -> None:
    row = {**dict.fromkeys(ROW), "_tl_key": "[7]", "_tl_deleted": True}
    row["_tl_observed_at"] = row["_tl_version_at"] = datetime(2026, 4, 2, tzinfo=UTC)
    found = native(ORDER, row, "orders")
    assert found.deleted
    assert (
        found.event["event_id"]
        == native(ORDER, ROW | {"at": date(2026, 4, 1)}, "orders").event["event_id"]
    )


def test_what_is_mapped_later_leaves_the_ids_of_rows_as_they_were() -> None:
    row = ROW | {"at": date(2026, 4, 1), "sum": 10}
    before = {key: ORDER[key] for key in ("order_id", "user_id", "occurred_at", "amount")}
    assert (
        native(before, row, "orders").event["event_id"]
        == (native(ORDER, row, "orders").event["event_id"])
    )


def test_the_digest_of_a_person_is_keyed() -> None:
    found = native({"user_id": "id"}, ROW, "persons").event["event_id"]
    assert found == f"t:[7]:{digest(b'h1')}"


@pytest.mark.parametrize("at", [None, "soon", "2027-01-01T00:00:00Z"])
def test_an_agreement_without_a_time_that_can_be_counts_from_when_it_was_read(at) -> None:
    mapping = {"user_id": "id", "occurred_at": "at", "consent": {"analytics": "ok"}}
    found = native(mapping, ROW | {"at": at, "ok": False}, "consents")
    assert found.event["occurred_at"] == "2026-04-02T00:00:00.000000Z"


def test_agreeing_to_what_was_agreed_to_before_is_a_statement_of_its_own() -> None:
    mapping = {"user_id": "id", "consent": {"analytics": "ok"}}
    later = ROW | {"_tl_observed_at": datetime(2026, 5, 1, tzinfo=UTC)}
    first, again = (native(mapping, row | {"ok": False}, "consents") for row in (ROW, later))
    assert first.event["event_id"] != again.event["event_id"]


def test_a_subscription_ends_when_its_end_has_come() -> None:
    mapping = {"user_id": "id", "occurred_at": "at", "ended_at": "end"}
    row = ROW | {"at": date(2026, 3, 1), "end": date(2026, 3, 31)}
    assert native(mapping, row, "subscriptions", 1).event["event_name"] == "subscription_ended"
    assert not native(mapping, row, "subscriptions", 1).deleted
    assert not native(mapping, row | {"end": date(2026, 5, 1)}, "subscriptions", 1).deleted
    assert native(mapping, row | {"end": None}, "subscriptions", 1).deleted
