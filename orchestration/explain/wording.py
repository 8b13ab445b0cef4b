"""An answer as a page: sentences and tables, before anybody decides how they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from orchestration.explain.answers import (
    About,
    Answer,
    Between,
    Cut,
    Device,
    Event,
    Evidence,
    Run,
    Statement,
    Step,
)
from orchestration.explain.rules import of_event, of_identifier

Row = tuple[str, ...]
_ENDS = 10


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page: a title, a table below it, and lines below that."""

    title: str
    heads: Row = ()
    rows: tuple[Row, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """The whole answer for people; the verdict first."""

    verdict: str
    lines: tuple[str, ...]
    sections: tuple[Section, ...]


def page(answer: Answer) -> Page:
    """The answer in words."""
    made = _about(answer) if isinstance(answer, About) else _between(answer)
    sections = tuple(each for each in made if each.rows or each.lines)
    return Page(answer.verdict, (f"As published in {answer.version}; times are UTC.",), sections)


def _about(answer: About) -> list[Section]:
    identifiers = [
        (str(each.identifier), each.rule, of_identifier(each.rule), _moment(each.since))
        for each in answer.identifiers.shown
    ]
    devices = [
        (str(each.identifier), f"{each.runs:,}", _moment(each.begins), _moment(each.ends))
        for each in answer.devices.shown
    ]
    aside = [_evidence(each.evidence) for each in answer.set_aside.shown]
    reasons = dict.fromkeys(each.why for each in answer.set_aside.shown)
    return [
        *([_event(answer.event)] if answer.event else []),
        _table(
            f"Identifiers of {answer.person_id}",
            ("identifier", "rule", "because", "since"),
            identifiers,
            answer.identifiers,
        ),
        *(_device(answer.device) if answer.device else []),
        _table("Evidence used", _HEADS, [_evidence(e) for e in answer.used.shown], answer.used),
        _table("Set aside", _HEADS, aside, answer.set_aside, reasons),
        _table("Devices they used", ("identifier", "runs", "from", "to"), devices, answer.devices),
        *_end(answer),
    ]


def _between(answer: Between) -> list[Section]:
    title = "What joins them" if answer.is_same else "The nearest that was seen between them"
    return [
        Section(title, lines=tuple(_steps(answer.path))),
        _runs("In whose hands the device was", answer.runs),
        *_end(answer),
    ]


def _end(answer: Answer) -> list[Section]:
    return [
        Section("What somebody said", lines=tuple(map(_statement, answer.statements))),
        Section("To change it", lines=answer.commands),
    ]


def _event(event: Event) -> Section:
    return Section(
        f"Event {event.event_key}",
        lines=(
            f"{event.event_name or 'an event'} at {_moment(event.occurred_at)}, by {event.source}",
            f"person: {event.person_id or 'nobody'}",
            f"rule: {event.rule or 'none'} ({of_event(event.rule)})",
            f"names: {', '.join(map(str, event.identifiers)) or 'nobody'}",
        ),
    )


def _device(device: Device) -> list[Section]:
    known = [
        f"device_key {device.device_key}" if device.device_key else "",
        f"{device.events:,} events" if device.events is not None else "",
        f"{device.persons:,} persons named themselves on it" if device.persons is not None else "",
        ", ".join(filter(None, (device.surface, device.platform))),
    ]
    lines = [", ".join(filter(None, known))] if any(known) else []
    if device.is_kiosk:
        lines.append(f"It is a kiosk: {of_event('kiosk')}.")
    lines += [str(each) for each in device.identifiers.shown]
    lines += _left_out(device.identifiers)
    return [Section("The device", lines=tuple(lines)), _runs("Its time line", device.runs)]


def _runs(title: str, runs: Cut[Run]) -> Section:
    rows = [
        (
            _moment(run.begins),
            _moment(run.ends),
            run.person_id,
            run.rule,
            f"{run.events:,}",
            _run_words(run.rule),
        )
        for run in runs.shown
    ]
    return _table(title, ("from", "to", "person", "rule", "events", "because"), rows, runs)


def _run_words(rule: str) -> str:
    """``carry`` of a run holds the events that name the person, too."""
    return (
        "they name this person, or lie between such events" if rule == "carry" else of_event(rule)
    )


_HEADS = ("identifier", "identifier", "kind", "source", "first seen", "last seen", "seen", "event")


def _evidence(piece: Evidence) -> Row:
    aside = f"{piece.evidence}, {piece.set_aside_reason}" if not piece.is_used else piece.evidence
    return (
        str(piece.higher),
        str(piece.lower),
        aside,
        piece.source if piece.is_trusted else f"{piece.source} (public)",
        _moment(piece.first_seen_at),
        _moment(piece.last_seen_at),
        f"{piece.events:,}" if piece.events else "",
        piece.example_event_key or "",
    )


def _steps(path: Sequence[Step]) -> list[str]:
    """All steps of a short path; of a long one both ends."""
    told = list(enumerate(path, 1))
    if len(path) <= 2 * _ENDS:
        return [_step(*each) for each in told]
    left_out = f"and {len(path) - 2 * _ENDS:,} more of {len(path):,} steps"
    first, last = told[:_ENDS], told[-_ENDS:]
    return [*(_step(*each) for each in first), left_out, *(_step(*each) for each in last)]


def _step(number: int, step: Step) -> str:
    piece = step.evidence
    if piece.evidence == "link":
        seen = f"somebody said so, {_moment(piece.first_seen_at)}"
    else:
        times = "once" if piece.events == 1 else f"{piece.events:,} times"
        what = "a row" if piece.evidence == "row" else "an event"
        seen = f"{what} of {piece.source} names both, {times}, first {_moment(piece.first_seen_at)}"
        if piece.example_event_key:
            seen += f" (event:{piece.example_event_key})"
    aside = f". Set aside: {step.why}" if step.why else ""
    return f"{number}. {step.start} and {step.end}: {seen}{aside}"


def _statement(said: Statement) -> str:
    a, b = said.pair
    text = (
        f"{said.action} {a} {b}: {said.reason} ({said.author}, {said.at:%Y-%m-%d},"
        f" line {said.line})"
    )
    if not said.in_force:
        text += "; the published copy does not know it yet: throughline run hourly"
    return text


def _table(
    title: str, heads: Row, rows: Sequence[Row], cut: Cut, lines: Sequence[str] | dict = ()
) -> Section:
    return Section(title, heads if rows else (), tuple(rows), (*_left_out(cut), *lines))


def _left_out(cut: Cut) -> list[str]:
    return [f"and {cut.left_out:,} more of {cut.total:,}"] if cut.left_out > 0 else []


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""
