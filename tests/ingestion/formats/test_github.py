"""GitHub's deliveries: names, ids, times and who, on small bodies and on real ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingestion.formats.github import FORMAT
from ingestion.refusals import Reason, Refusal
from tests.ingestion.formats.deliveries import RECEIVED, line, native
from tests.ingestion.house import LEDGER, House

SOURCE = (
    "{name: hub, kind: webhook_logs, format: github, path: landing/hub/, surface: backend,"
    " trust: signed, lawful_basis: legitimate_interests}"
)
AROUND = {
    "repository": {
        "full_name": "acme/tents",
        "private": True,
        "pushed_at": 1_776_074_300,
        "updated_at": "2020-01-01T00:00:00Z",
    },
    "organization": {"login": "acme"},
    "sender": {"id": 7, "login": "ada", "type": "User"},
}


def made(name: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"x-github-event": name, "x-github-delivery": "d-1"}
    return native(FORMAT, AROUND | body, headers).event


def test_a_delivery():
    event = made(
        "issues",
        {
            "action": "opened",
            "issue": {
                "number": 3,
                "state": "open",
                "title": "Ada's tent leaks",
                "created_at": "2026-04-13T09:59:00Z",
                "updated_at": "2026-04-13T10:00:00Z",
            },
        },
    )
    assert event == {
        "event_id": "d-1",
        "event_name": "issues.opened",
        "event_type": "track",
        "occurred_at": "2026-04-13T10:00:00Z",
        "subject": {"account_id": "acme", "external_ids": {"github": 7}},
        "context": {},
        "properties": {
            "repository": "acme/tents",
            "private": True,
            "sender_type": "User",
            "action": "opened",
            "number": 3,
            "state": "open",
        },
    }


@pytest.mark.parametrize(
    ("name", "body", "moment"),
    [
        (
            "issue_comment",
            {
                "action": "created",
                "issue": {"updated_at": "2026-01-01T00:00:00Z"},
                "comment": {"updated_at": "2026-02-02T00:00:00Z"},
            },
            "2026-02-02T00:00:00Z",
        ),
        (
            "issues",
            {"action": "deleted", "issue": {"updated_at": "2020-01-01T00:00:00Z"}},
            RECEIVED,
        ),
        ("star", {"starred_at": "2026-03-03T00:00:00Z"}, "2026-03-03T00:00:00Z"),
        (
            "push",
            {"pusher": {"name": "ada"}, "head_commit": {"timestamp": "2019-01-01T00:00:00Z"}},
            "2026-04-13T09:58:20.000000Z",
        ),
        ("push", {"pusher": {"name": "ada"}, "deleted": True}, RECEIVED),
        ("team", {"action": "created", "team": {"id": 1}}, RECEIVED),
        ("ping", {"hook": {"updated_at": "2026-04-04T00:00:00Z"}}, "2026-04-04T00:00:00Z"),
    ],
)  # fmt: skip
def test_the_time_is_the_objects_own_else_that_of_the_receipt(
    name: str, body: dict[str, Any], moment: str
):
    assert made(name, body)["occurred_at"] == moment


def test_without_the_header_nobody_knows_what_it_is():
    with pytest.raises(Refusal) as raised:
        native(FORMAT, AROUND, {})
    assert raised.value.reason is Reason.MISSING_EVENT_NAME


def test_through_the_load_a_redelivery_changes_nothing(make_house):
    house: House = make_house(SOURCE)
    body = AROUND | {"action": "opened", "issue": {"updated_at": "2026-04-13T10:00:00Z"}}
    headers = {"X-GitHub-Event": "issues", "X-GitHub-Delivery": "d-1"}
    house.land(line(body, headers), line(body, headers), name="log.jsonl", source="hub")
    (report,) = house.load().sources
    assert report.accepted == 2
    assert house.rows(
        "select distinct event_name, event_id, external_ids, account_id,"
        " count(*) over (partition by dedupe_key) from raw.events"
    ) == [("issues.opened", "d-1", '{"github":"7"}', "acme", 2)]


@pytest.mark.material
def test_the_real_payloads(make_house, material: Path):
    house: House = make_house(SOURCE)
    root = material / "github_webhooks" / "payload-examples"
    paths = [path for path in sorted(root.rglob("*.json")) if path.name != "package.json"]
    assert len(paths) >= 500
    lines = []
    for number, path in enumerate(paths):
        headers = {"X-GitHub-Event": path.parent.name, "X-GitHub-Delivery": f"d-{number}"}
        lines.append(line(json.loads(path.read_bytes()), headers))
    house.land(*lines, name="log.jsonl", source="hub")
    (report,) = house.load().sources
    assert (report.accepted, report.quarantined) == (len(paths), {})
    told = house.rows(
        "select count(*), count(distinct split_part(event_name, '.', 1)),"
        " count(*) filter (external_ids is null), max(occurred_at) <= max(received_at)"
        " from raw.events"
    )
    assert told[0][0] == len(paths)
    assert told[0][1] >= 60
    assert told[0][2] < 40
    assert told[0][3]
    assert house.rows(LEDGER) == []
