"""What a source's first records would become, judged by the real judge, with nothing written.

No vault, no rejects on disk, no warehouse: ``throughline connect`` shows this before a line of
``throughline.yml`` changes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import islice
from typing import Any, Literal

from governance.config import Config, Limits, Source
from governance.contracts import Contracts
from governance.home import Home
from governance.keys import Keys
from ingestion.batches import SpanReader, Tally
from ingestion.compression import DamagedError
from ingestion.containers.rows import FileProblem, Row
from ingestion.dumps import rows, unknown_columns
from ingestion.formats import format_of
from ingestion.formats.record import Format
from ingestion.parser import WHITESPACE
from ingestion.receipts import Receipts
from ingestion.rejects import RejectFile, Stored
from ingestion.segments import Landing, Problem, Segment, Span, damaged, unreadable
from ingestion.spool import folder_of

Disposition = Literal["accepted", "stripped", "quarantined"]

LIMIT = 10
SAMPLE = 1000
"""Records of files that are judged, of which the shown ones are chosen."""
TABLE_SAMPLE = 100
"""The same of each table of a database."""
_FILES = 20
_BLOCK = 1 << 16
_WHO = ("user_id", "anonymous_id", "device_id", "account_id", "email_token", "phone_token")


@dataclass(frozen=True, slots=True)
class Tried:
    """One record as it would be stored.

    Attributes:
        place: the file or table and the record's position in it.
        event: the name of the event; None where it could not be read.
        kind: event, person, account, consent, order, subscription; None of rejects.
        occurred_at: aware, in UTC; of stripped records the hour.
        who: kind of identifier -> what is stored: ids as given, tokens of direct identifiers.
        amount: with its sign.
        currency: as given.
        disposition: accepted, stripped or quarantined.
        reason: why it is not accepted.
        pointer: of rejects, where in the record.
        detail: of rejects, in words that never repeat a value.
    """

    place: str
    event: str | None
    kind: str | None
    occurred_at: datetime | None
    who: dict[str, str]
    amount: Decimal | None
    currency: str | None
    disposition: Disposition
    reason: str | None
    pointer: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of the first records of a source.

    Attributes:
        shown: a choice of them, in their order: one of each kind and fate before the rest.
        counts: records by disposition.
        reasons: records by reason, of those that are not accepted.
        files: files or tables that were looked into.
        by_position: records that carry no id of their own.
        problems: what cannot be read at all.
        ignored: files whose ending nobody knows.
    """

    shown: tuple[Tried, ...] = ()
    counts: dict[Disposition, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    files: int = 0
    by_position: int = 0
    problems: tuple[Problem, ...] = ()
    ignored: tuple[Problem, ...] = ()

    @property
    def records(self) -> int:
        return sum(self.counts.values())

    @property
    def share_stripped(self) -> float:
        """Of the accepted and stripped records; 0 when there are none."""
        stripped = self.counts.get("stripped", 0)
        usable = self.counts.get("accepted", 0) + stripped
        return stripped / usable if usable else 0.0


def try_source(
    home: Home,
    config: Config,
    keys: Keys,
    source: Source,
    *,
    limit: int = LIMIT,
    sample: int = SAMPLE,
) -> Trial:
    """Judge the first records of a source as a load would; nothing is written anywhere.

    Args:
        home: its contracts and files.
        config: limits.
        keys: the home's; tokens are the ones a load would store.
        source: need not be in ``config`` yet.
        limit: records to show; of a database, per table.
        sample: records to judge.

    Raises:
        UserError: the folder does not exist, the database cannot be reached, a contract is wrong.
    """
    receipts = Receipts()
    began = datetime.now(UTC)
    reader = SpanReader(
        source,
        limits=config.limits,
        keys=keys,
        contracts=Contracts.load(home.contracts),
        receipts=receipts,
        rejects=_Nowhere(),
        load_began=began,
        remember=lambda identifiers: identifiers.pending.clear(),
    )
    form = partial(format_of, source, keys.digest)
    try:
        if source.kind == "app_database":
            return _try_tables(home, source, reader, form, began, limit)
        return _try_files(home, config, source, reader, form, limit, sample)
    finally:
        receipts.close()


class _Nowhere(RejectFile):
    """Takes rejected bytes and keeps none."""

    def __init__(self) -> None:
        pass

    def append(self, data: bytes) -> Stored:
        return Stored("", 0, len(data))

    def sync(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""


def _try_files(
    home: Home,
    config: Config,
    source: Source,
    reader: SpanReader,
    form: Callable[[str], Format],
    limit: int,
    sample: int,
) -> Trial:
    landing = Landing.of(home, source)
    segments = landing.segments()
    found: list[Tried] = []
    problems: list[Problem] = []
    tried = 0
    for segment in segments[:_FILES]:
        if len(found) >= sample:
            break
        tried += 1
        try:
            unknown = unknown_columns(landing, segment)
            if unknown is not None:
                problems.append(unknown)
                continue
            most = sample - len(found)
            found += _try_segment(landing, segment, reader, form, config.limits, most)
        except DamagedError as error:
            problems.append(damaged(segment, error))
        except FileProblem as error:
            problems.append(Problem(source.name, segment.name, error.what, error.fix))
        except OSError as error:
            problems.append(unreadable(segment, error))
    return _trial(
        found,
        chosen(found, limit),
        files=tried,
        by_position=reader.unidentified,
        problems=(*problems, *landing.problems),
        ignored=tuple(landing.ignored),
    )


def _try_segment(
    landing: Landing,
    segment: Segment,
    reader: SpanReader,
    form: Callable[[str], Format],
    limits: Limits,
    most: int,
) -> list[Tried]:
    span = Span(segment, 1, 0, segment.size, "", segment.name)
    tally, shape = Tally(), form(segment.name)
    if segment.container == "lines":
        block = first_lines(landing, segment, most, limits.line_bytes)
        batches = reader.read(span, shape, [block], tally)
    else:
        groups = _first(rows(landing, span, shape, limits), most)
        batches = reader.read_rows(span, shape, groups, tally)
    return _tried(batches, segment.name)[:most]


def first_lines(landing: Landing, segment: Segment, most: int, line_bytes: int) -> bytes:
    """The beginning of a segment: as many whole lines as hold ``most`` that are not blank.

    Raises:
        DamagedError: a compressed file is truncated or damaged.
    """
    head, rest, found = bytearray(), b"", 0
    for data in _pieces(landing, segment):
        *whole, rest = (rest + data).split(b"\n")
        for line in whole:
            head += line + b"\n"
            found += bool(line.strip(WHITESPACE))
            if found >= most:
                return bytes(head)
        if len(rest) > 2 * line_bytes:
            break
    return bytes(head + rest)


def _pieces(landing: Landing, segment: Segment) -> Iterator[bytes]:
    """Its bytes in small blocks: the reader's own are made for whole files."""
    for block in landing.blocks(segment, 0, None):
        for begin in range(0, len(block), _BLOCK):
            yield block[begin : begin + _BLOCK]


def _first(groups: Iterable[list[Row]], most: int) -> Iterator[list[Row]]:
    """Groups until ``most`` rows were handed out."""
    for group in groups:
        yield group[:most]
        most -= len(group)
        if most <= 0:
            return


def _try_tables(
    home: Home,
    source: Source,
    reader: SpanReader,
    form: Callable[[str], Format],
    began: datetime,
    limit: int,
) -> Trial:
    from ingestion.databases import check  # imports SQLAlchemy, which files do not need

    found: list[Tried] = []
    shown: list[Tried] = []
    problems: list[Problem] = []
    for checked in check(home, source, rows=TABLE_SAMPLE, now=began):
        if checked.problem is not None:
            problems.append(checked.problem)
            continue
        name = f"{folder_of(checked.table)}/first.parquet"
        segment = Segment(source.name, name, name, 0, 0.0, None, "parquet")
        span = Span(segment, 1, 0, len(checked.records), "", name)
        numbered = [Row(i, record, b"", None) for i, record in enumerate(checked.records)]
        of_table = _tried(
            reader.read_rows(span, form(name), [numbered] if numbered else [], Tally()),
            checked.table,
        )
        found += of_table
        shown += chosen(of_table, limit)
    tables = len(source.tables)
    return _trial(found, shown, files=tables, problems=tuple(problems))


def _trial(found: list[Tried], shown: list[Tried], **more: Any) -> Trial:
    counts: Counter[Disposition] = Counter(record.disposition for record in found)
    reasons = Counter(record.reason for record in found if record.reason)
    return Trial(tuple(shown), dict(counts), dict(reasons.most_common()), **more)


def chosen(records: list[Tried], limit: int) -> list[Tried]:
    """At most ``limit`` records in their order; one of each event and fate goes before others."""
    first: dict[object, int] = {}
    for number, record in enumerate(records):
        first.setdefault((record.event, record.disposition, record.reason), number)
    numbers = list(first.values())[:limit]
    taken = set(numbers)
    others = (number for number in range(len(records)) if number not in taken)
    numbers += islice(others, limit - len(numbers))
    return [records[number] for number in sorted(numbers)]


def _tried(batches: Iterable[Any], name: str) -> list[Tried]:
    """The rows of batches in the order the records lie in; the refund of no order is none."""
    found: list[tuple[tuple[int, int], Tried]] = []
    for batch in batches:
        if batch.events is not None:
            events = (row for row in batch.events.to_pylist() if not row["is_deleted"])
            found += [(_at(row), _of_event(row, name)) for row in events]
        if batch.rejects is not None:
            found += [(_at(row), _of_reject(row, name)) for row in batch.rejects.to_pylist()]
    return [record for _, record in sorted(found, key=lambda pair: pair[0])]


def _at(row: dict[str, Any]) -> tuple[int, int]:
    return row["position"], row["item"]


def _of_event(row: dict[str, Any], name: str) -> Tried:
    who = {column.removesuffix("_token"): row[column] for column in _WHO if row[column]}
    if row["external_ids"]:
        who |= json.loads(row["external_ids"])
    return Tried(
        place=f"{name}:{row['position']}",
        event=row["event_name"],
        kind=row["record_kind"],
        occurred_at=row["occurred_at"].replace(tzinfo=UTC),
        who=who,
        amount=row["revenue"],
        currency=row["currency"],
        disposition=row["disposition"],
        reason=row["strip_reason"],
    )


def _of_reject(row: dict[str, Any], name: str) -> Tried:
    return Tried(
        place=f"{name}:{row['position']}",
        event=row["event_name"],
        kind=None,
        occurred_at=None,
        who={},
        amount=None,
        currency=None,
        disposition="quarantined",
        reason=row["reason"],
        pointer=row["pointer"] or None,
        detail=row["detail"] or None,
    )
