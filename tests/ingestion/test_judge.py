import json
from datetime import UTC, datetime, timedelta

import pytest

from governance.vault import open_vault
from tests.ingestion.house import LEDGER, NATIVE, event

CONSENT = NATIVE.replace("contract", "consent")


@pytest.mark.parametrize(
    ("changes", "reason", "pointer"),
    [
        ({"event_name": None}, "missing_event_name", "/event_name"),
        ({"event_name": "  "}, "missing_event_name", "/event_name"),
        ({"event_name": 5}, "invalid_field", "/event_name"),
        ({"occurred_at": None}, "missing_time", "/occurred_at"),
        ({"occurred_at": "13.04.2026"}, "invalid_time", "/occurred_at"),
        ({"occurred_at": 1776074400}, "invalid_time", "/occurred_at"),
        ({"received_at": "soon"}, "invalid_time", "/received_at"),
        ({"subject": None}, "missing_subject", "/subject"),
        ({"subject": []}, "invalid_field", "/subject"),
        ({"subject": {"user_id": True}}, "invalid_field", "/subject/user_id"),
        ({"subject": {"email_verified": "true"}}, "invalid_field", "/subject/email_verified"),
        ({"event_type": "click"}, "invalid_field", "/event_type"),
        ({"context": {"surface": "toaster"}}, "invalid_field", "/context/surface"),
        ({"context": {"locale": ["en"]}}, "invalid_field", "/context/locale"),
        ({"context": {"page": "x"}}, "invalid_field", "/context/page"),
        ({"revenue": {"amount": "NaN"}}, "invalid_field", "/revenue/amount"),
        ({"revenue": {"amount": True}}, "invalid_field", "/revenue/amount"),
        ({"revenue": {"amount": "12,50"}}, "invalid_field", "/revenue/amount"),
        ({"revenue": {"amount": 10**12}}, "invalid_field", "/revenue/amount"),
        ({"properties": [1]}, "invalid_field", "/properties"),
        ({"occurred_at": "2026-04-14T10:00:02Z"}, "in_the_future", "/occurred_at"),
        ({"occurred_at": "2019-12-31T23:59:59Z"}, "too_early", "/occurred_at"),
        ({"occurred_at": "2026-03-31T10:00:00Z"}, "outside_cutover", "/occurred_at"),
    ],
)
def test_a_record_that_cannot_be_used_is_quarantined_with_reason_and_pointer(
    make_house, changes, reason, pointer
):
    more = ", earliest: 2020-01-01, occurred_from: 2026-04-01}"
    house = make_house(NATIVE[:-1] + more)
    house.land(event(1, **changes))
    house.load()
    assert house.rows("select reason, pointer from raw.rejects") == [(reason, pointer)]
    assert house.rows(LEDGER) == []


def test_a_record_received_after_the_load_began_is_quarantined(house):
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    house.land(event(1, received_at=soon), event(2, received_at=None, occurred_at=soon))
    house.load()
    assert house.rows("select reason from raw.rejects order by position") == [
        ("received_in_future",),
        ("in_the_future",),
    ]


def test_a_client_clock_is_corrected_by_the_receiver_and_a_server_clock_is_not(house):
    sent = {"sent_at": "2026-04-13T10:05:00Z", "received_at": "2026-04-13T10:00:01.500000Z"}
    house.land(
        event(1, **sent),
        event(2, **sent, context={"surface": "backend"}),
        event(3, received_at=None, sent_at="2026-04-13T10:05:00Z"),
        {"received_at": "2026-04-13T10:00:01.5Z", "headers": {}, "body": event(4, **sent)},
    )
    house.load()
    assert house.rows(
        "select occurred_at::varchar, original_at::varchar, received_at_origin"
        " from raw.events order by event_id"
    ) == [
        ("2026-04-13 09:55:01.5", "2026-04-13 10:00:00", "declared"),
        ("2026-04-13 10:00:00", "2026-04-13 10:00:00", "declared"),
        ("2026-04-13 10:00:00", "2026-04-13 10:00:00", "sent"),
        ("2026-04-13 09:55:01.5", "2026-04-13 10:00:00", "receipt"),
    ]


@pytest.mark.parametrize(
    ("consent", "disposition", "reason"),
    [
        ({"analytics": True}, "accepted", None),
        ({"analytics": False}, "stripped", "denied"),
        ({"analytics": "true"}, "stripped", "unreadable"),
        ({"analytics": 1}, "stripped", "unreadable"),
        ("yes", "stripped", "unreadable"),
        (None, "stripped", "missing"),
    ],
)
def test_only_a_json_true_is_consent(make_house, consent, disposition, reason):
    house = make_house(CONSENT)
    house.land(event(1, consent=consent))
    house.load()
    assert house.rows("select disposition, strip_reason from raw.events") == [(disposition, reason)]


def test_a_stripped_event_keeps_its_name_and_hour_and_nothing_of_it_reaches_the_vault(make_house):
    house = make_house(CONSENT)
    who = {"user_id": "anna@example.com", "email": "anna@example.com"}
    house.land(
        {
            "receipt_id": "rcp_1",
            "received_at": "2026-04-13T11:00:00Z",
            "headers": {},
            "body": event(
                1, occurred_at="2026-04-13T10:59:59Z", subject=who, properties={"note": "anna"}
            ),
        }
    )
    house.load()
    [row] = house.rows("select columns(* exclude (_dlt_load_id)) from raw.events")
    assert "anna" not in str(row)
    assert "rcp_1" not in str(row)
    assert house.rows(
        "select occurred_at::varchar, user_id, properties_unreviewed from raw.events"
    ) == [("2026-04-13 10:00:00", None, None)]
    assert not house.home.vault.exists()


def test_direct_identifiers_become_tokens_wherever_they_stand_and_the_vault_knows_them(house):
    house.land(
        event(
            1,
            event_name="mail to bob@example.com",
            subject={
                "user_id": "Anna@Example.com",
                "email": " anna@example.com",
                "phone": "+49 30 901820",
            },
            properties={
                "bob@example.com": "call +49 30 901820",
                "url": "https://x.example/?token=s3cret",
            },
        )
    )
    house.load()
    [row] = house.rows("select columns(*) from raw.events")
    for secret in ("bob@", "anna@", "Anna@", "901820", "s3cret"):
        assert secret not in str(row)
    [(user, mail, phone, hits)] = house.rows(
        "select user_id, email_token, phone_token, redactions from raw.events"
    )
    assert user == mail
    assert hits == 3
    with open_vault(house.home, keys=house.keys) as vault:
        assert vault.clear(mail) == "anna@example.com"
        assert vault.clear(phone) == "+4930901820"


def test_money_is_exact(house):
    written = [12.1, "12.10", "0.1234564", 999999999999.999999, -5]
    house.land(
        *(event(i, revenue={"amount": a, "currency": "eur"}) for i, a in enumerate(written[:3]))
    )
    house.land(
        b'{"event_id":"e3","event_name":"v","occurred_at":"2026-04-13T10:00:00Z","subject":{},"revenue":{"amount":123456789012.123456}}'
    )
    house.load()
    assert house.rows("select revenue::varchar, currency from raw.events order by event_id") == [
        ("12.100000", "EUR"),
        ("12.100000", "EUR"),
        ("0.123456", "EUR"),
        ("123456789012.123456", None),
    ]


def test_an_event_without_an_id_is_known_by_its_position_and_never_dropped(house):
    plain = {key: value for key, value in event().items() if key != "event_id"}
    house.land(plain, plain)
    assert house.load().sources[0].by_position == 2
    assert house.rows("select count(distinct dedupe_key) from raw.events") == [(2,)]
    assert house.rows("select count(*) from raw.events where event_id like 'pos_%'") == [(2,)]


def test_two_deliveries_of_one_event_share_key_and_digest_and_a_changed_copy_does_not(house):
    house.land(
        event(1, sent_at="2026-04-13T10:00:00Z"),
        event(1, sent_at="2026-04-13T11:00:00Z", received_at="2026-04-13T11:00:00Z"),
        event(1, properties={"plan": "pro"}),
    )
    house.load()
    assert house.rows(
        "select count(distinct dedupe_key), count(distinct content_digest) from raw.events"
    ) == [(1, 2)]


@pytest.mark.parametrize(
    ("written", "like"),
    [
        ("mailto:John@example.com", "john@example.com"),
        ("john%40example.com", "john@example.com"),
        ("tel:+49-30-901820", "+4930901820"),
        ("004930901820", "+4930901820"),
        ("0049 30 901820", "+4930901820"),
    ],
)
def test_a_wrapped_direct_identifier_is_the_same_person_as_a_plain_one(house, written, like):
    house.land(event(1, subject={"user_id": written}), event(2, subject={"user_id": like}))
    house.load()
    assert house.rows("select count(distinct user_id), min(user_id)[:4] from raw.events") == [
        (1, "tok_")
    ]


def test_an_identifier_that_holds_a_direct_one_becomes_a_token_and_numbers_stay(house):
    house.land(
        event(
            1,
            subject={"user_id": "John <john@example.com>", "anonymous_id": "203.0.113.9"},
            context={"session_id": "s john@example.com"},
            revenue={"amount": 1, "order_id": "for 4111111111111111"},
        ),
        event(2, subject={"user_id": "17850", "account_id": 123456789012, "device_id": "0000017"}),
    )
    house.load()
    select = "select user_id, anonymous_id, client_session_id, order_id from raw.events"
    [held] = house.rows(f"{select} where event_id = 'e1'")
    assert [value[:7] for value in held] == ["tok_id_"] * 4
    assert house.rows(
        "select user_id, account_id, device_id from raw.events where event_id = 'e2'"
    ) == [("17850", "123456789012", "0000017")]


def test_a_copy_that_denies_is_stripped_even_when_it_breaks_its_contract(make_house):
    house = make_house(CONSENT)
    contract = {
        "title": "viewed",
        "x-version": "1-0-0",
        "x-owner": "a@acme.example",
        "type": "object",
        "properties": {"plan": {"type": "string", "x-class": "public"}},
    }
    house.home.contracts.mkdir(exist_ok=True)
    (house.home.contracts / "viewed.json").write_text(json.dumps(contract))
    broken = {"properties": {"plan": 5}}
    house.land(
        event(1, consent={"analytics": True}),
        event(1, consent={"analytics": False}, **broken),
        event(2, consent={"analytics": True}, **broken),
    )
    house.load()
    assert house.rows("select disposition from raw.events order by position") == [
        ("accepted",),
        ("stripped",),
    ]
    assert house.rows("select count(distinct dedupe_key) from raw.events") == [(1,)]
    assert house.rows("select reason from raw.rejects") == [("contract_violation",)]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("order of bob@example.com", "order of [email]"),
        ("bob%40example.com", "[email]"),
        ("call +49 30 901820", "call [phone]"),
        ("4111111111111111", "[card]"),
        ("203.0.113.9/1", "[ip]/1"),
        ("17850", "17850"),
        ("12345678-1234-1234-1234-123456789012", "12345678-1234-1234-1234-123456789012"),
    ],
)
def test_the_id_of_an_event_is_masked_like_any_text(house, written, stored):
    house.land(event(1, event_id=written))
    house.load()
    assert house.rows("select event_id from raw.events") == [(stored,)]


@pytest.mark.parametrize(
    "given",
    [
        {"anna@example.com": "1"},
        {"shop id": "1"},
        {"": "1"},
        {"x" * 65: "1"},
        {"4111111111111111": "1"},
        {"shop": "1", "Shop": "2"},
        {f"n{i}": "1" for i in range(21)},
    ],
    ids=["address", "space", "empty", "long", "card", "twice", "many"],
)
def test_a_namespace_of_external_ids_is_a_short_plain_name(house, given):
    house.land(event(1, subject={"external_ids": given}))
    house.load()
    assert house.rows("select reason, pointer from raw.rejects") == [
        ("invalid_field", "/subject/external_ids")
    ]


def test_a_namespace_of_external_ids_has_one_case(house):
    house.land(event(1, subject={"external_ids": {"Shop.EU-1": "7", "crm": None}}))
    house.load()
    assert house.rows("select external_ids from raw.events") == [('{"shop.eu-1":"7"}',)]


def test_a_source_that_names_no_earliest_begins_in_2000(house):
    house.land(
        event(1, occurred_at="1999-12-31T23:59:59Z"), event(2, occurred_at="2000-01-01T00:00:00Z")
    )
    house.load()
    assert house.rows("select reason, pointer from raw.rejects") == [("too_early", "/occurred_at")]
    assert house.rows("select event_id from raw.events") == [("e2",)]


def test_a_url_inside_a_longer_text_loses_its_query_and_its_password(house):
    said = "see https://ann:pw@shop/a?token=s3cret then HTTP://y.example/#s3cret twice"
    more = {"note": said, "deep": [{"at": said}], "to": "//ann:pw@shop/a?token=s3cret"}
    page = {"title": said, "url": "//ann:pw@shop/a?token=s3cret"}
    for number in (1, 2):  # the second time from memory
        house.land(event(number, properties=more, context={"page": page}))
    house.load()
    rows = house.rows("select columns(*) from raw.events")
    assert "s3cret" not in str(rows)
    assert "pw@" not in str(rows)
    clean = "see https://shop/a then HTTP://y.example/ twice"
    assert house.rows("select distinct page_title, page_url, page_path from raw.events") == [
        (clean, "//shop/a", "/a")
    ]
    [(properties,)] = house.rows("select distinct properties_unreviewed from raw.events")
    assert json.loads(properties) == {
        "note": clean,
        "deep": [{"at": clean}],
        "to": "//shop/a",
    }


def test_a_country_written_out_is_kept_and_a_code_is_in_capitals(make_house):
    house = make_house(NATIVE)
    house.land(event(1, context={"country": "United Kingdom"}), event(2, context={"country": "de"}))
    house.load()
    assert house.rows("select country from raw.events order by country") == [
        ("DE",),
        ("United Kingdom",),
    ]
