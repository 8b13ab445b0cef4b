"""Who did it, told as stories: every file of scenarios/ is one, with the answer beside each event.

The stories are disjoint worlds of one home: their identifiers begin with the file's name. A blank
source is the web site. `row` is a version of a person's row in the shop's database; `-` stands for
an event that is not in the warehouse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from tests.properties import identity_oracle as oracle
from tests.properties.warehouse import MODELS, build, make_home, write_raw
from tests.properties.worlds import LISTED, SOURCES, VARIABLES, raw_overrides, raw_rows, record

FILES = sorted((Path(__file__).parent / "scenarios").glob("*.md"))
HUB_LIMIT, KIOSK_LIMIT, GAP = 3, 3, timedelta(minutes=30)
MONDAY = datetime(2026, 4, 6)
COLUMNS = {
    "user": "user_id",
    "anonymous": "anonymous_id",
    "device": "device_id",
    "email": "email_token",
    "phone": "phone_token",
    "previous": "previous_id",
}
NULL_LIKE = re.compile(f"[0-]+|{LISTED}", re.IGNORECASE)
NOT_THERE = ("-", "stripped")


@dataclass(frozen=True)
class Scenario:
    name: str
    story: str
    events: list[dict[str, str]]
    records: list[dict]
    statements: list[oracle.Statement]
    identifiers: dict[oracle.Identifier, str]

    def expected(self) -> dict[str, tuple[str, str]]:
        """event_key -> (name of the person, rule)."""
        told = zip(self.records, self.events, strict=True)
        return {record["event_key"]: (event["person"], event["rule"]) for record, event in told}


def read_table(text: str) -> list[dict[str, str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def read_time(text: str) -> datetime:
    found = re.fullmatch(r"(?:day (\d+) )?(\d\d):(\d\d)", text)
    assert found, f"{text!r} is no time: write 10:00 or day 2 10:00"
    day, hour, minute = found.groups(default="1")
    return MONDAY + timedelta(days=int(day) - 1, hours=int(hour), minutes=int(minute))


def read_identifier(name: str, text: str) -> oracle.Identifier:
    kind, _, value = text.rpartition(":")
    return kind, f"{name}.{value}"


def read_record(name: str, number: int, event: dict[str, str]) -> dict:
    source = event.get("source") or "web"
    assert source in SOURCES, f"{name}: no source is called {source}"
    columns: dict[str, object] = {
        column: value if NULL_LIKE.fullmatch(value) else f"{name}.{value}"
        for told, column in COLUMNS.items()
        if (value := event.get(told))
    }
    told = event["event"]
    kind = {"alias": "alias", "logout": "system", "reset": "system"}.get(told, "track")
    columns |= {"event_name": told, "event_type": kind}
    at = read_time(event["time"])
    if told.startswith("row"):
        columns |= {"record_kind": "person", "event_type": "identify", "version_at": at}
        columns |= {"is_deleted": told == "row deleted", "event_name": "person_changed"}
    if event.get("email"):
        columns["email_verified"] = True
    if event.get("external"):
        pairs = (pair.split("=") for pair in event["external"].split(", "))
        columns["external"] = {space: f"{name}.{value}" for space, value in pairs}
    if event.get("consent") == "denied":  # nothing of whom it named is kept
        columns = {"event_name": told, "event_type": None, "disposition": "stripped"}
    return record(source, name, number, at, **columns)


def read_scenario(path: Path) -> Scenario:
    name = path.stem
    parts = re.split(r"^## (\w+)\n", path.read_text(), flags=re.MULTILINE)
    tables = {title: read_table(text) for title, text in zip(parts[1::2], parts[2::2], strict=True)}
    assert tables.keys() <= {"Overrides", "Identifiers"}, f"{name}: {sorted(tables)}"
    story = parts[0].split("\n|")[0].strip()
    events = read_table(parts[0])
    said = [
        oracle.Statement(
            row["action"], read_identifier(name, row["one"]), read_identifier(name, row["other"])
        )
        for row in tables.get("Overrides", [])
    ]
    rules = {
        read_identifier(name, row["identifier"]): row["rule"]
        for row in tables.get("Identifiers", [])
    }
    records = [read_record(name, number, event) for number, event in enumerate(events)]
    return Scenario(name, story, events, records, said, rules)


SCENARIOS = [read_scenario(path) for path in FILES]
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=[s.name for s in SCENARIOS])
Outcome = tuple[dict[str, tuple[object, str]], dict[oracle.Identifier, str]]


@pytest.fixture(scope="module")
def in_the_warehouse(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """(event_key -> (person, rule), identifier -> rule)."""
    root = tmp_path_factory.mktemp("scenarios")
    home = make_home(root / "home")
    records = [row for scenario in SCENARIOS for row in scenario.records]
    said = [line for scenario in SCENARIOS for line in scenario.statements]
    write_raw(home, raw_rows(records), overrides=raw_overrides(said))
    limits = {
        "handover_gap_seconds": int(GAP.total_seconds()),
        "hub_limit": HUB_LIMIT,
        "kiosk_limit": KIOSK_LIMIT,
        "nobody": [LISTED],
    }
    variables = VARIABLES | {"tl_identity": limits}
    build(home, variables, *MODELS, "-s", "+int_event_persons", target=root / "target")
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        events = con.execute(
            "select event_key, person_id, identity_rule from intermediate.int_event_persons"
        ).fetchall()
        nodes = con.execute(
            "select kind, value, rule from intermediate.int_identity_nodes"
        ).fetchall()
    return {key: (person, rule) for key, person, rule in events}, {(k, v): r for k, v, r in nodes}


def differences(scenario: Scenario, outcome: Outcome) -> list[str]:
    """In words; persons may be called anything, as long as each has one name."""
    events, rules = outcome
    found: list[str] = []
    name_of: dict[object, str] = {None: "nobody", NOT_THERE: "-"}
    person_of: dict[str, object] = {"nobody": None, "-": NOT_THERE}
    told = scenario.expected()
    for (key, (name, rule)), event in zip(told.items(), scenario.events, strict=True):
        person, got_rule = events.get(key, (NOT_THERE, "stripped"))
        got_name = name_of.setdefault(person, name if name not in person_of else "somebody else")
        if person_of.setdefault(name, person) != person or (got_name, got_rule) != (name, rule):
            row = " | ".join(cell for title, cell in event.items() if cell)
            found.append(f"  {row}\n    found: {got_name} | {got_rule}")
    for identifier, rule in scenario.identifiers.items():
        if rules.get(identifier) != rule:
            found.append(f"  {identifier}: expected {rule}, found {rules.get(identifier)}")
    return found


def check(scenario: Scenario, outcome: Outcome) -> None:
    found = differences(scenario, outcome)
    if found:
        pytest.fail("\n".join([scenario.story, "", *found]), pytrace=False)


@each_scenario
def test_the_warehouse_tells_the_same_story(scenario: Scenario, in_the_warehouse: Outcome) -> None:
    check(scenario, in_the_warehouse)


@each_scenario
def test_the_oracle_tells_the_same_story(scenario: Scenario) -> None:
    answer = oracle.resolve(scenario.records, HUB_LIMIT, KIOSK_LIMIT, GAP, scenario.statements)
    rules = {identifier: node.rule for identifier, node in answer.nodes.items()}
    check(scenario, (dict(answer.events), rules))


def test_a_wrong_story_fails() -> None:
    """Merging everybody, or parting everybody, is told from the truth."""
    story = next(s for s in SCENARIOS if s.name == "family_tablet")
    rules = {key: rule for key, (_, rule) in story.expected().items()}
    merged = {key: ("one", rule) for key, rule in rules.items()}
    parted = {key: (key, rule) for key, rule in rules.items()}
    assert differences(story, (merged, {}))
    assert differences(story, (parted, {}))
