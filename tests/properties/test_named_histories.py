"""Histories that once left rows wrong, load by load beside a build from nothing.

Random lives meet them too seldom: each needs several rare things in one load, and nothing else in
it that would hide them.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from governance.config import dbt_vars
from tests.properties.configured import configure, configured_home
from tests.properties.lives import WITHDRAWN, passed, variables
from tests.properties.stepwise import Plan, Step, run
from tests.properties.test_increments import compared, from_nothing
from tests.properties.warehouse import PROJECT
from tests.properties.worlds import START, raw_rows, record

DAY = START + timedelta(days=9)


def event(world: str, number: int, hours: float, source: str = "web", **fields: object) -> dict:
    """One that is not like the others of its world; ``hours`` after the day begins."""
    row = record(source, world, number, DAY + timedelta(hours=hours), **fields)
    return {"record_kind": "event", "content_digest": f"c{number}"} | row


def viewed(world: str, number: int, hours: float, user: str) -> dict:
    view = {"event_type": "page", "event_name": "viewed", "page_path": f"/{number}"}
    return event(world, number, hours, user_id=f"{world}_{user}", **view)


def told_before(row: dict, **fields: object) -> dict:
    """The copy that counts from now on: it was received before the other."""
    received = row["received_at"] - timedelta(seconds=7)
    copy = {"received_at": received, "content_digest": "m", "position": row["position"] + 1000}
    return row | copy | fields


def somebody_else() -> list[dict]:
    """So many rows that a log of changes is smaller than its table."""
    return [viewed("q", number, 3 * number - 200, "u1") for number in range(40)]


def intermediate() -> list[str]:
    return sorted(path.stem for path in (PROJECT / "models" / "intermediate").glob("*.sql"))


def differences(root: Path, steps: list[Step]) -> list[str]:
    home = configured_home(root / "home")
    told = dbt_vars(configure(home, variables()))
    run(root / "stepwise", Plan(home.root, told, steps))
    again = from_nothing(home, root / "again", Step([]), told)
    found, _ = compared(home.warehouse, again.warehouse)
    return found


def test_what_came_at_once_and_rarely_does(tmp_path: Path) -> None:
    # the sale of nobody, which a copy says was somebody's
    nobodys = event("n", 1, 9, source="shop", event_name="paid")
    another = event("n", 2, 9.5, source="shop", event_name="paid", user_id="n_u2")
    # the first event of a session becomes somebody else's and moves in time, into a session of his
    ahead = [viewed("a", 1, 10, "u1"), viewed("a", 2, 10.1, "u1")]
    ahead += [viewed("a", 3, 9.8, "u2"), viewed("a", 4, 10.2, "u2")]
    back = [viewed("b", 1, 12, "u1"), viewed("b", 2, 12.1, "u1")]
    back += [viewed("b", 3, 9.8, "u1"), viewed("b", 4, 10.2, "u1"), viewed("b", 9, 20, "u2")]
    corrected = [
        told_before(nobodys, user_id="n_u1"),
        told_before(ahead[0], user_id="a_u2", occurred_at=DAY + timedelta(hours=12)),
        told_before(back[0], user_id="b_u2", occurred_at=DAY + timedelta(hours=10)),
    ]
    steps = [
        Step(raw_rows([*somebody_else(), nobodys, another, *ahead, *back])),
        Step(raw_rows(corrected)),
        Step([]),
    ]
    assert not differences(tmp_path, steps)


def test_what_some_models_alone_saw_does_not_stay(tmp_path: Path) -> None:
    early, late = viewed("v", 1, 8, "u1"), viewed("v", 2, 20, "u1")
    between = viewed("v", 3, 14, "u1")
    closed = ["+int_session_bounds", "+int_data_until", "fct_sessions"]
    unbounded = [name for name in intermediate() if name != "int_session_bounds"]
    steps = [
        Step(raw_rows([*somebody_else(), early, late])),
        # numbered with an event that the events of persons never saw
        Step(raw_rows([between, *passed()]), models=closed),
        Step(raw_rows([between | WITHDRAWN | {"position": 77}])),
        # a session whose bounds and channel come later
        Step(raw_rows([viewed("z", 1, 21, "u1")]), models=[*unbounded, "fct_sessions"]),
        Step([]),
    ]
    assert not differences(tmp_path, steps)
