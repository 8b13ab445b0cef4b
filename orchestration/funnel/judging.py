"""Events and properties nobody ever sent: a question about them is a typing error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

import duckdb

from governance.config import Config, Funnel
from governance.config.tracked import near
from governance.contracts import Contracts
from governance.errors import UserError
from orchestration.funnel.reading import Data


def refuse_unknown(data: Data, funnel: Funnel, config: Config, contracts: Contracts) -> None:
    """Raise when the answer could not mean anything.

    Raises:
        UserError: an event is neither in a contract nor was it ever seen; a property no event of
            that name ever had; or one whose values are not in the published copy.
    """
    events = dict.fromkeys(part.event for part in (*funnel.steps, *funnel.exclusions))
    seen = _event_names(data.connection)
    known = seen | {contract.event for contract in contracts}
    if wrong := [event for event in events if event not in known]:
        raise _unknown_events(wrong, known)
    named = [(event, path) for event, path in _properties(funnel, config) if event in seen]
    for event, path in dict.fromkeys(named):
        _refuse_property(data, event, path, contracts)


def _event_names(connection: duckdb.DuckDBPyConnection) -> set[str]:
    rows = connection.execute("select distinct event_name from int_events").fetchall()
    return {name for (name,) in rows}


def _unknown_events(wrong: list[str], known: set[str]) -> UserError:
    hints = []
    for event in wrong:
        close = near(event, known)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        hints.append(f"{event!r} is in no contract and was never seen{meant}")
    lead = "This event does" if len(wrong) == 1 else "These events do"
    return UserError(
        f"{lead} not exist: {', '.join(wrong)}.",
        why="\n".join(hints),
        fix="Mend the name. An event still to come can be declared: contracts/ or throughline.yml.",
    )


def _properties(funnel: Funnel, config: Config) -> Iterator[tuple[str, str]]:
    """(event, path below properties) of every property a filter or breakdown reads."""
    sources = {dimension.name: dimension.from_ for dimension in config.dimensions}
    openings = funnel.steps if funnel.mode == "any" else funnel.steps[:1]
    named = [
        (part.event, path) for part in (*funnel.steps, *funnel.exclusions) for path in part.where
    ]
    named += [(step.event, path) for step in openings for path in funnel.breakdowns]
    for event, path in named:
        path = sources.get(path, path)
        if path.startswith("properties."):
            yield event, path.removeprefix("properties.")


def _refuse_property(data: Data, event: str, path: str, contracts: Contracts) -> None:
    name = path.split(".")[0]
    contract = contracts.get(event)
    has = _property_names(data.connection, "properties", event)
    unreviewed = _property_names(data.connection, "properties_unreviewed", event)
    declared = set(contract.classes) if contract else set()
    if name in unreviewed and data.kind == "published":
        raise UserError(
            f"The published copy does not hold the values of properties.{name} of {event!r}.",
            why="No contract declares the property, or it is sensitive: readers get its name only.",
            fix=f"Declare it in contracts/{event}.json, or ask the warehouse: --warehouse",
        )
    if name not in has | unreviewed | declared:
        close = get_close_matches(name, sorted(has | unreviewed | declared), 3)
        meant = (
            f"Did you mean {' or '.join(f'properties.{each}' for each in close)}? " if close else ""
        )
        raise UserError(
            f"No event {event!r} ever had a property {name!r}.",
            why=meant + _listed(has | unreviewed | declared),
            fix="Mend the name.",
        )


def _property_names(connection: duckdb.DuckDBPyConnection, column: str, event: str) -> set[str]:
    rows = connection.execute(
        f"select distinct unnest(json_keys({column})) from int_events"
        f" where event_name = $event and {column} is not null and json_valid({column})",
        {"event": event},
    ).fetchall()
    return {name for (name,) in rows}


def _listed(names: Iterable[str]) -> str:
    shown = sorted(names)[:20]
    return f"Its properties are: {', '.join(shown)}." if shown else "It has no properties."
