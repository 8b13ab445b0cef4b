"""Tables and columns are recognised by what companies call them, and by their first values."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from governance.config import Mapping, Table
from orchestration.connect.columns import Column, columns_of
from orchestration.connect.guess.records import guess_records
from orchestration.connect.guess.table import guess_table
from orchestration.connect.words import pieces

NOW = datetime(2026, 4, 13, tzinfo=UTC)


def table(name, *rows, key=("id",), as_=None):
    columns = columns_of(rows, nested=False)
    guess = guess_table(name, columns, primary_key=key, currency="EUR", as_=as_)
    if guess.as_ and not guess.missing:  # whatever is guessed must be a mapping
        Table.model_validate({"table": name, "as": guess.as_, "mapping": guess.mapping})
    return guess


def records(name, *rows, **options):
    columns = columns_of(rows, nested=True)
    guess = guess_records(name, columns, currency="EUR", **options)
    Mapping.model_validate(guess.mapping)
    return guess


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("KundenNr", ("kunden", "nr")),
        ("kundennr", ("kunden", "nr")),
        ("bestell_nr", ("bestell", "nr")),
        ("id_client", ("id", "client")),
        ("customerID", ("customer", "id")),
        ("geändert_am", ("geaendert", "am")),
        ("erstattungsbetrag", ("erstattungs", "betrag")),
        ("body.data.object.id", ("body", "data", "object", "id")),
    ],
)
def test_names_are_taken_apart_however_they_are_written(name, words):
    assert pieces(name) == words


@pytest.mark.parametrize(
    ("name", "row", "expected"),
    [
        ("kunden", {"kundennr": 1, "email": "a@b.de"}, "persons"),
        ("clientes", {"id_cliente": 1, "correo": "a@b.es"}, "persons"),
        ("app_users", {"id": 1}, "persons"),
        ("bestellungen", {"bestellnr": 1}, "orders"),
        ("commandes", {"no": 1}, "orders"),
        ("shop_orders", {"id": 1}, "orders"),
        ("einwilligungen", {"id": 1}, "consents"),
        ("abos", {"id": 1}, "subscriptions"),
        ("ereignisse", {"id": 1}, "events"),
        ("firmen", {"id": 1}, "accounts"),
        ("t_0815", {"nr": 1, "mail": "a@b.de"}, "persons"),
        ("t_0816", {"kundennr": 1, "betrag": Decimal(3), "am": NOW}, "orders"),
        ("order_items", {"id": 1, "order_id": 2, "price": 3}, None),
        ("user_tags", {"id": 1, "user_id": 2}, None),
        ("migrations", {"version": "1"}, None),
    ],
)
def test_a_table_is_known_by_its_name_else_by_its_columns(name, row, expected):
    assert table(name, row).as_ == expected


def test_a_german_customer():
    guess = table(
        "kunden",
        {
            "kundennr": 1,
            "vorname": "Anna",
            "geburtstag": NOW,
            "email": "anna@example.org",
            "email_bestaetigt": True,
            "land": "DE",
            "stripe_kunde": "cus_1",
            "werbung_ok": True,
            "angelegt_am": NOW,
            "geaendert_am": NOW,
        },
        key=("kundennr",),
    )
    assert guess.mapping == {
        "user_id": "kundennr",
        "external_ids": {"stripe": "stripe_kunde"},
        "email_verified": "email_bestaetigt",
        "email": "email",
        "occurred_at": "angelegt_am",
        "consent": {"marketing": "werbung_ok"},
        "country": "land",
    }
    assert guess.cursor == "geaendert_am"
    assert not guess.missing


def test_a_german_order_with_its_refund():
    guess = table(
        "bestellungen",
        {
            "bestellnr": "B1",
            "kundennr": 1,
            "betrag": Decimal("9.90"),
            "waehrung": "EUR",
            "bestellt_am": NOW,
            "erstattet_am": None,
            "erstattungsbetrag": None,
            "lieferadresse": "x",
            "strasse": "y",
            "zahlart": "karte",
            "geaendert_am": NOW,
        },
        key=("bestellnr",),
    )
    assert guess.mapping.pop("properties") == {
        "lieferadresse": "lieferadresse",
        "zahlart": "zahlart",
    }
    assert guess.mapping == {
        "user_id": "kundennr",
        "refunded_at": "erstattet_am",
        "occurred_at": "bestellt_am",
        "refunded_amount": "erstattungsbetrag",
        "amount": "betrag",
        "currency": "waehrung",
        "order_id": "bestellnr",
    }


def test_amounts_in_cents_and_times_in_seconds():
    row = {"id": 1, "customer_id": 2, "total_cents": 990, "created_at": 1_776_000_000}
    guess = table("orders", row)
    assert guess.mapping["amount"] == {"from": "total_cents", "unit": "minor"}
    assert guess.mapping["occurred_at"] == {"from": "created_at", "unit": "s"}
    assert guess.mapping["currency"] == {"value": "EUR"}
    assert "currency" in guess.notes


def test_amounts_with_a_decimal_comma():
    row = {"bestellnr": "B1", "kunde": "u1", "betrag": "12,50", "datum": "2026-04-13"}
    guess = table("bestellungen", row, row | {"betrag": "7"}, key=("bestellnr",))
    assert guess.mapping["amount"] == {"from": "betrag", "decimal": ","}


@pytest.mark.parametrize(
    ("value", "form", "is_doubtful"),
    [
        ("13.04.2026 10:00", "%d.%m.%Y %H:%M", False),
        ("13/04/2026", "%d/%m/%Y", False),
        ("04/13/2026", "%m/%d/%Y", False),
        ("03/04/2026", "%d/%m/%Y", True),
    ],
)
def test_times_that_are_not_iso_get_their_form(value, form, is_doubtful):
    guess = table("orders", {"id": 1, "user_id": 2, "total": 3, "order_date": value})
    assert guess.mapping["occurred_at"] == {"from": "order_date", "time_format": form}
    assert ("or is it" in guess.notes["occurred_at"]) == is_doubtful


def test_a_ledger_of_purposes_and_answers():
    guess = table(
        "einwilligungen",
        {"id": 1, "kundennr": 1, "zweck": "Analyse", "erteilt": "ja", "zeitpunkt": NOW},
        {"id": 2, "kundennr": 2, "zweck": "Werbung", "erteilt": "ja", "zeitpunkt": NOW},
    )
    assert guess.mapping["consent"] == {
        "analytics": {
            "template": "{zweck}={erteilt}",
            "map": {"Analyse=ja": True, "Analyse=nein": False},
        },
        "marketing": {
            "template": "{zweck}={erteilt}",
            "map": {"Werbung=ja": True, "Werbung=nein": False},
        },
    }
    assert not guess.missing


def test_zero_and_one_are_no_answers_without_a_map():
    guess = table("users", {"id": 1, "newsletter": 1}, {"id": 2, "newsletter": 1})
    flag = {"from": "newsletter", "map": {"1": True, "0": False}}
    assert guess.mapping["consent"] == {"marketing": flag}


def test_words_nobody_knows_are_no_consent():
    guess = table("users", {"id": 1, "marketing": "maybe"}, {"id": 2, "marketing": "yes"})
    assert "consent" not in guess.mapping


def test_what_is_missing_is_said():
    guess = table("orders", {"id": 1, "customer_id": 2})
    assert guess.missing == ("occurred_at", "amount")


def test_a_table_without_a_key_gets_the_column_that_names_rows():
    assert table("users", {"user_no": 1}, {"user_no": 2}, key=()).key == ("user_no",)
    assert table("users", {"user_no": 1}, {"user_no": 1}, key=()).key == ()


def test_names_and_addresses_of_people_are_never_copied():
    row = {"id": 1, "user_id": 2, "event": "x", "at": NOW, "ip": "203.0.113.9", "plan": "pro"}
    row |= {"last_name": "Berg", "iban": "DE00", "contact": "a@example.org", "comment": "hi"}
    assert table("events", row).mapping["properties"] == {"plan": "plan"}


def test_lines_of_invoices_in_a_file():
    row = {"InvoiceNo": "536365", "StockCode": "85123A", "Quantity": "6", "UnitPrice": "2.55"}
    row |= {"InvoiceDate": "12/1/2010 8:26", "CustomerID": "17850", "Country": "United Kingdom"}
    guess = records("online_retail", row, row)
    assert guess.mapping["event_name"] == {"value": "order_line"}
    assert guess.mapping["amount"] == {"from": "UnitPrice", "times": "Quantity"}
    assert guess.mapping["order_id"] == "InvoiceNo"
    assert guess.mapping["user_id"] == "CustomerID"
    assert "event_id" not in guess.mapping


def test_deliveries_of_a_webhook_nobody_knows():
    body = {"id": "d-1", "event": "seat_added", "user": {"id": "u1"}, "created_at": "2026-04-13Z"}
    guess = records("hooks", {"body": body}, {"body": body | {"id": "d-2"}}, receipt=True)
    assert guess.mapping["event_id"] == "body.id"
    assert guess.mapping["event_name"] == "body.event"
    assert guess.mapping["user_id"] == "body.user.id"


def test_a_body_without_a_time_occurred_when_it_was_received():
    guess = records("hooks", {"body": {"event": "x", "user_id": "u"}}, receipt=True)
    assert guess.mapping["occurred_at"] == "received_at"


def test_records_of_nobody_say_so():
    guess = records("sensor", {"time": "2026-04-13T10:00:00Z", "value": 3})
    assert guess.mapping["anonymous_id"] == {"value": None}
    assert not guess.missing


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["2026-04-13", "2026-04-13T10:00:00Z"], "time"),
        (["1", "2.5"], "number"),
        ([True], "boolean"),
        (["true"], "boolean"),
        (["a", "1"], "text"),
        ([{"a": 1}], "other"),
        ([], "unknown"),
    ],
)
def test_kinds_of_values(values, kind):
    assert Column("c", tuple(values)).kind == kind
