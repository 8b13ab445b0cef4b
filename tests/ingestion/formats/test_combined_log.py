"""Access logs: what a line says, what it counts as, and what of it is never stored."""

from collections import Counter
from pathlib import Path

import pytest

from ingestion.formats.combined_log import parse_line
from ingestion.refusals import Reason, Refusal
from tests.ingestion.house import LEDGER, House

AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36"
SOURCE = (
    "{name: logs, kind: event_dumps, format: combined_log, path: landing/logs/, surface: web,"
    " trust: public, lawful_basis: legitimate_interests}"
)


def line(
    request: str = "GET /a HTTP/1.1",
    *,
    status: int | str = 200,
    who: str = "203.0.113.9 - -",
    stamp: str = "17/May/2015:10:05:03 +0200",
    size: str = "512",
    rest: str = f'"https://search.example/" "{AGENT}"',
) -> bytes:
    return f'{who} [{stamp}] "{request}" {status} {size} {rest}'.rstrip().encode()


def test_a_line_of_the_combined_format():
    assert parse_line(line()) == {
        "time": "2015-05-17T10:05:03+0200",
        "visitor": f"203.0.113.9 {AGENT}",
        "user": None,
        "method": "GET",
        "url": "/a",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 512,
        "referrer": "https://search.example/",
        "agent": AGENT,
        "name": "page",
        "type": "page",
    }


def test_a_line_of_the_common_format_and_fields_without_a_value():
    found = parse_line(line(size="-", rest=""))
    assert (found["bytes"], found["referrer"], found["agent"]) == (None, None, None)
    found = parse_line(line(rest='"-" "-" "more" 0.003'))
    assert (found["referrer"], found["agent"]) == (None, None)


def test_the_remote_user_is_the_user():
    assert parse_line(line(who="203.0.113.9 - u_7"))["user"] == "u_7"
    assert parse_line(line(who="203.0.113.9 - Ada Lovelace"))["user"] == "Ada Lovelace"


def test_a_virtual_host_before_the_address():
    found = parse_line(line(who="shop.example:443 203.0.113.9 - -"))
    assert found["url"] == "//shop.example/a"
    assert found["visitor"].startswith("203.0.113.9 ")


def test_quotes_and_bytes_with_a_backslash_are_as_they_were_sent():
    found = parse_line(line(rest='"-" "say \\"hi\\" \\xc3\\xa9 \\x22x\\x22 c:\\\\"'))
    assert found["agent"] == 'say "hi" é "x" c:\\'


@pytest.mark.parametrize(
    ("request_line", "status", "name"),
    [
        ("GET / HTTP/1.1", 200, "page"),
        ("GET /blog/post HTTP/2.0", 304, "page"),
        ("GET /blog/caf%C3%A9.html?x=.png HTTP/1.1", 200, "page"),
        ("GET /style.css?v=3 HTTP/1.1", 200, "http_request"),
        ("GET /robots.txt HTTP/1.1", 200, "http_request"),
        ("GET /favicon.ICO HTTP/1.1", 200, "http_request"),
        ("GET /old HTTP/1.1", 301, "http_request"),
        ("GET /missing HTTP/1.1", 404, "http_request"),
        ("GET /broken HTTP/1.1", 500, "http_request"),
        ("POST /login HTTP/1.1", 200, "http_request"),
        ("HEAD / HTTP/1.1", 200, "http_request"),
        ("GET /report.pdf HTTP/1.1", 200, "file_downloaded"),
        ("GET /report.pdf HTTP/1.1", 206, "http_request"),
        ("GET /report.pdf HTTP/1.1", 304, "http_request"),
        ("-", 408, "http_request"),
        ("\\x16\\x03\\x01", 400, "http_request"),
        ("", 400, "http_request"),
        ("GET /old-style", 200, "page"),
    ],
)
def test_what_a_request_counts_as(request_line: str, status: int, name: str):
    assert parse_line(line(request_line, status=status))["name"] == name


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"nothing of the kind", Reason.MALFORMED_ROW),
        (b'1.2.3.4 [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1', Reason.MALFORMED_ROW),
        (line(stamp="17/Mai/2015:10:05:03 +0000"), Reason.INVALID_TIME),
        (line(stamp="2015-05-17 10:05:03"), Reason.INVALID_TIME),
        (line(status="ok"), Reason.MALFORMED_ROW),
    ],
)
def test_other_lines_are_refused(data: bytes, reason: Reason):
    with pytest.raises(Refusal) as raised:
        parse_line(data)
    assert raised.value.reason is reason


def test_through_the_load_the_address_is_nowhere(make_house):
    house: House = make_house(SOURCE)
    path = house.home.landing / "logs" / "access_log"
    visits = [
        line("GET /a?utm_source=news&token=s3cret HTTP/1.1"),
        line("GET /b HTTP/1.1"),
        line(who="203.0.113.10 - u_7"),
        b"poison",
    ]
    path.write_bytes(b"\n".join([*visits, line()]))
    (report,) = house.load().sources
    assert (report.accepted, report.quarantined) == (4, {"malformed_row": 1})
    rows = house.rows(
        "select event_name, event_type, page_url, utm_source, user_id, anonymous_id,"
        " occurred_at::varchar, is_interactive, device_class, referrer_host"
        " from raw.events order by position"
    )
    assert rows[0][:5] == ("page", "page", "/a?utm_source=news", "news", None)
    assert rows[0][6:] == ("2015-05-17 08:05:03", True, "desktop", "search.example")
    assert rows[0][5] == rows[1][5] == rows[3][5]
    assert rows[2][4] == "u_7"
    assert rows[2][5] != rows[0][5]
    assert len(rows[0][5]) == 32
    assert b"203.0.113" not in house.home.warehouse.read_bytes()
    assert house.rows(LEDGER) == []


@pytest.mark.material
def test_the_real_log_of_ten_thousand_lines(make_house, material: Path):
    house: House = make_house(SOURCE)
    data = (material / "web_logs" / "apache_logs").read_bytes()
    (house.home.landing / "logs" / "apache_logs").write_bytes(data)
    (report,) = house.load().sources
    assert (report.accepted, report.quarantined) == (10_000, {})
    named = Counter(dict(house.rows("select event_name, count(*) from raw.events group by all")))
    assert named == {"http_request": 6047, "page": 3903, "file_downloaded": 50}
    told = house.rows(
        "select count(distinct anonymous_id), count(*) filter (is_bot),"
        " count(*) filter (event_type = 'system' and is_interactive), min(occurred_at)::varchar"
        " from raw.events"
    )
    assert told == [(1862, told[0][1], 0, "2015-05-17 10:05:00")]
    assert told[0][1] > 1000
    assert house.rows(LEDGER) == []
    # The same bytes under another name change nothing.
    (house.home.landing / "logs" / "again.log").write_bytes(data)
    house.load()
    assert house.rows("select count(distinct dedupe_key) from raw.events") == [(10_000,)]
