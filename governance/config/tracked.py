"""Events and properties that the configuration names and no contract has: often a slip."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from governance.config.model import Config, Exclusion, Feature, Funnel, Step
from governance.contracts import Contracts

_NEAR = 3


@dataclass(frozen=True, slots=True)
class Unknown:
    """``place``: where it is named; ``near``: what may have been meant, the likeliest first."""

    place: str
    name: str
    near: tuple[str, ...]
    event: str | None = None  # whose property it would be; None: it is an event itself

    @property
    def what(self) -> str:
        """The finding in one sentence."""
        if self.event is None:
            return f"{self.place} names the event {self.name!r}, which has no contract."
        return f"{self.place} names {self.name}, which the contract of {self.event!r} lacks."

    @property
    def fix(self) -> str:
        """What to do about it."""
        if self.near:
            return f"Did you mean {' or '.join(map(repr, self.near))}?"
        if self.event is None:
            return f"Mend the name, or add contracts/{self.name}.json"
        return f"Mend the name, or declare it in contracts/{self.event}.json"


def near(name: str, known: Collection[str]) -> tuple[str, ...]:
    """Names that are written nearly like this one."""
    return tuple(get_close_matches(name, sorted(known), _NEAR))


def unknown_names(config: Config, contracts: Contracts) -> Iterator[Unknown]:
    """Of the key events, funnels and features of a configuration, by its contracts alone."""
    yield from _unknown_events(dict.fromkeys(config.key_events, "key_events"), contracts)
    for funnel in config.funnels:
        yield from unknown_in_funnel(funnel, contracts)
    for feature in config.features:
        place = f"feature {feature.name!r}"
        for part in (feature, *([feature.eligible] if feature.eligible else [])):
            yield from _unknown_in_part(place, part, contracts)


def unknown_in_funnel(funnel: Funnel, contracts: Contracts) -> Iterator[Unknown]:
    """Of one funnel; a property is looked for where a contract says what its event has."""
    place = f"funnel {funnel.name!r}"
    parts = (*funnel.steps, *funnel.exclusions)
    for part in parts:
        yield from _unknown_in_part(place, part, contracts)
    openings = funnel.steps if funnel.mode == "any" else funnel.steps[:1]
    for path in funnel.breakdowns:
        for event in dict.fromkeys(step.event for step in openings):
            yield from _unknown_property(place, event, path, contracts)


def _unknown_in_part(
    place: str, part: Step | Exclusion | Feature, contracts: Contracts
) -> Iterator[Unknown]:
    yield from _unknown_events({part.event: place}, contracts)
    for path in part.where:
        yield from _unknown_property(place, part.event, path, contracts)


def _unknown_events(places: dict[str, str], contracts: Contracts) -> Iterator[Unknown]:
    known = [contract.event for contract in contracts]
    for event, place in places.items():
        if event not in contracts:
            yield Unknown(place, event, near(event, known))


def _unknown_property(place: str, event: str, path: str, contracts: Contracts) -> Iterator[Unknown]:
    contract = contracts.get(event)
    name = path.removeprefix("properties.").split(".")[0]
    if contract is None or path == name or name in contract.classes:
        return
    close = tuple(f"properties.{each}" for each in near(name, contract.classes))
    yield Unknown(place, f"properties.{name}", close, event)
