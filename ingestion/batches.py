"""From a span of a segment to Arrow tables: one row per record, whatever became of it."""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import pyarrow as pa

from governance.config import Limits, Source
from governance.contracts import Contracts
from governance.keys import Keys
from governance.masking import mask_text
from ingestion.containers.rows import Row as FileRow
from ingestion.delivery import Delivery, narrowed, unwrap
from ingestion.formats.fields import plain
from ingestion.formats.record import Format
from ingestion.identifiers import Identifiers
from ingestion.judge import Judge, Place, Row
from ingestion.parser import WHITESPACE, JsonObject, dump, needs_inspection, parse
from ingestion.raw_schema import EVENTS, REJECTS
from ingestion.receipts import Receipt, Receipts
from ingestion.refusals import Reason, Refusal
from ingestion.rejects import RejectFile
from ingestion.segments import Span
from ingestion.times import HOUR, from_microseconds

BATCH_ROWS = 20_000
_GROUP_LINES = 2_000
_GROUP_BYTES = 1 << 24
_KEPT_OF_LONG = 1 << 16

_DISPOSITION = EVENTS.get_field_index("disposition")
_RECEIVED = EVENTS.get_field_index("received_at")


class Line(NamedTuple):
    """A line and its offset; ``length`` exceeds ``data`` where the line is beyond the limit."""

    offset: int
    data: bytes
    length: int
    digest: bytes
    """SHA-256 of a line longer than the limit; empty otherwise."""


@dataclass(slots=True)
class Tally:
    """What a span held."""

    lines: int = 0
    accepted: int = 0
    stripped: int = 0
    quarantined: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    max_received_at: int | None = None
    end: int = 0


class Batch(NamedTuple):
    """Rows ready for dlt."""

    events: pa.Table | None
    rejects: pa.Table | None


class SpanReader:
    """Turns the spans of one source into batches."""

    def __init__(
        self,
        source: Source,
        *,
        limits: Limits,
        keys: Keys,
        contracts: Contracts,
        receipts: Receipts,
        rejects: RejectFile,
        load_began: datetime,
        remember: Callable[[Identifiers], None],
    ) -> None:
        self._source = source
        self._limits = limits
        self._keys = keys
        self._receipts = receipts
        self._rejects = rejects
        self._remember = remember
        self._identifiers = Identifiers(keys)
        self._judge = Judge(
            source,
            limits=limits,
            keys=keys,
            contracts=contracts,
            identifiers=self._identifiers,
            load_began=load_began,
        )
        self._format: Format  # of the span that is read
        self._events: list[Row] = []
        self._refused: list[Row] = []
        self._heavy: list[tuple[int, bytes]] = []  # rejects that stand for a line, by index

    @property
    def unidentified(self) -> int:
        """Records known by their position alone."""
        return self._judge.unidentified

    def read(
        self, span: Span, form: Format, blocks: Iterable[bytes], tally: Tally
    ) -> Iterator[Batch]:
        """The batches of one span of JSON lines; ``tally`` is filled on the way.

        The vault and the reject file are safe on disk before the rows that refer to them are handed
        out.
        """
        self._begin(span, form)
        for group in _groups(split_lines(blocks, span.start, self._limits.line_bytes)):
            self._group(span, group, tally)
            tally.end = group[-1].offset + group[-1].length
            if len(self._events) + len(self._refused) >= BATCH_ROWS:
                yield self._flush(tally)
        if self._events or self._refused:
            yield self._flush(tally)

    def read_rows(
        self, span: Span, form: Format, groups: Iterable[list[FileRow]], tally: Tally
    ) -> Iterator[Batch]:
        """As ``read``, of a span of rows: of a table, or of lines of text."""
        self._begin(span, form)
        for group in groups:
            with _uncollected():
                for row in group:
                    self._row(span, row)
            tally.lines += len(group)
            tally.end = group[-1].position + 1
            if len(self._events) + len(self._refused) >= BATCH_ROWS:
                yield self._flush(tally)
        if self._events or self._refused:
            yield self._flush(tally)

    def _begin(self, span: Span, form: Format) -> None:
        self._format = form
        self._judge.file = span.identity

    def _row(self, span: Span, row: FileRow) -> None:
        parts = self._format.parts
        if row.record is None:
            place = Place(span.segment.name, span.generation, row.position, 0)
            refusal = row.refusal or Refusal(Reason.NOT_AN_OBJECT)
            self._refuse(place, row.data[:_KEPT_OF_LONG], refusal, records=parts)
            return
        delivery = Delivery(row.record, None, None, None, None, False)
        for item in range(parts):
            place = Place(span.segment.name, span.generation, row.position, item)
            try:
                native = self._format.to_native(row.record, delivery, item)
                self._events.append(self._judge.row(native, delivery, place))
            except Refusal as refusal:
                data = row.data or dump(plain(row.record))
                self._refuse(place, data, refusal, delivery=delivery, record=row.record)

    def _group(self, span: Span, lines: list[Line], tally: Tally) -> None:
        with _uncollected():
            self._lines(span, lines, tally)

    def _lines(self, span: Span, lines: list[Line], tally: Tally) -> None:
        depth = self._limits.depth
        suspects = needs_inspection([line.data for line in lines], depth=depth)
        for line, suspect in zip(lines, suspects, strict=True):
            if line.digest:
                tally.lines += 1
                self._refuse_line(span, line, _too_large(line))
                continue
            if not line.data.strip(WHITESPACE):
                continue
            tally.lines += 1
            try:
                parsed = parse(line.data, depth=depth, inspect=suspect)
                delivery = unwrap(
                    parsed,
                    depth=depth,
                    batch_events=self._limits.batch_events,
                    always_wrapped=self._format.whole,
                )
            except Refusal as refusal:
                self._refuse_line(span, line, refusal)
                continue
            self._line(span, line, parsed, delivery)

    def _line(self, span: Span, line: Line, parsed: JsonObject, delivery: Delivery) -> None:
        records = [delivery.body] if delivery.records is None else delivery.records
        for item, record in enumerate(records):
            place = Place(span.segment.name, span.generation, line.offset, item)
            try:
                if type(record) is not dict:
                    raise Refusal(Reason.NOT_AN_OBJECT, "", "a record must be a JSON object")
                native = self._format.to_native(self._whole(record, delivery), delivery, item)
                self._events.append(self._judge.row(native, delivery, place))
            except Refusal as refusal:
                data = line.data if len(records) == 1 else dump(narrowed(parsed, delivery, item))
                self._refuse(place, data, refusal, delivery=delivery, record=record)

    def _whole(self, record: JsonObject, delivery: Delivery) -> JsonObject:
        """What a format of deliveries maps: the record with its headers and its receipt."""
        if not self._format.whole:
            return record
        received_at = delivery.received_at
        return {
            "body": record,
            "headers": delivery.headers,
            "received_at": None if received_at is None else from_microseconds(received_at),
        }

    def _refuse_line(self, span: Span, line: Line, refusal: Refusal) -> None:
        place = Place(span.segment.name, span.generation, line.offset, 0)
        self._heavy.append((len(self._refused), b"" if line.digest else line.data))
        data = line.data[:_KEPT_OF_LONG] if line.digest else line.data
        self._refuse(place, data, refusal, digest=line.digest)

    def _refuse(
        self,
        place: Place,
        data: bytes,
        refusal: Refusal,
        *,
        digest: bytes = b"",
        delivery: Delivery | None = None,
        record: object = None,
        records: int = 1,
    ) -> None:
        stored = self._rejects.append(data)
        identity = "\x1f".join(map(str, (self._source.name, *place)))
        receipt_id, hour, pointer = None, None, refusal.pointer
        if delivery is not None:
            receipt_id = delivery.receipt_id and mask_text(delivery.receipt_id)[0]
            hour = delivery.received_at and delivery.received_at - delivery.received_at % HOUR
            if refusal.reason is not Reason.RECEIVED_IN_FUTURE or delivery.received_at is None:
                pointer = self._format.pointer(pointer)
                if not (self._format.whole and pointer.startswith(_FROM_THE_TOP)):
                    pointer = _whole_pointer(delivery, pointer)
        self._refused.append(
            (
                self._source.name,
                *place,
                receipt_id,
                hour,
                self._keys.digest(identity.encode("utf-8", "surrogateescape")),
                records,
                refusal.reason.value,
                mask_text(pointer)[0],
                refusal.detail,
                self._name_of(record, delivery),
                refusal.contract_version,
                self._keys.digest(digest or data),
                stored.length,
                stored.stored_in,
                stored.stored_at,
            )
        )

    def _name_of(self, record: object, delivery: Delivery | None) -> str | None:
        if type(record) is not dict or delivery is None:
            return None
        try:
            native = self._format.to_native(self._whole(record, delivery), delivery, 0)
            return self._judge.event_name(native.event)
        except Refusal:
            return None

    def _flush(self, tally: Tally) -> Batch:
        self._weigh()
        for row in self._events:
            if row[_DISPOSITION] == "accepted":
                tally.accepted += 1
            else:
                tally.stripped += 1
        for row in self._refused:
            tally.quarantined += row[_RECORDS]
            tally.reasons[row[_REASON]] += row[_RECORDS]
        if self._events:
            latest = max(row[_RECEIVED] for row in self._events)
            tally.max_received_at = max(tally.max_received_at or latest, latest)
        self._remember(self._identifiers)
        self._rejects.sync()
        batch = Batch(_table(self._events, EVENTS), _table(self._refused, REJECTS))
        self._events, self._refused = [], []
        return batch

    def _weigh(self) -> None:
        """Give rejected lines the hour and the weight the receipts gave them."""
        weights = self._receipts.weigh(
            [data for _, data in self._heavy], line_bytes=self._limits.line_bytes
        )
        for (index, data), weight in zip(self._heavy, weights, strict=True):
            hour, records = weight if data else Receipt(None, 1)
            row = list(self._refused[index])
            row[_RECEIPT_HOUR], row[_RECORDS] = hour, records
            self._refused[index] = tuple(row)
        self._heavy = []


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cycle collector.

    Judging makes no cycles, and it would walk the growing rows again and again: a tenth of the time
    of a load.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


_FROM_THE_TOP = ("/body/", "/headers/", "/received_at")  # as a mapping of deliveries names fields
_RECEIPT_HOUR = REJECTS.get_field_index("receipt_hour")
_RECORDS = REJECTS.get_field_index("records")
_REASON = REJECTS.get_field_index("reason")


def split_lines(blocks: Iterable[bytes], start: int, line_bytes: int) -> Iterator[list[Line]]:
    """Lines of a stream with their offsets, a list per block.

    Of a line longer than ``line_bytes`` only the first bytes are held, however long it is.
    """
    offset = start
    rest = b""
    long: _LongLine | None = None
    for block in blocks:
        lines: list[Line] = []
        if long is not None:
            piece, found, block = block.partition(b"\n")
            long.add(piece)
            if not found:
                continue
            lines.append(long.line())
            offset += long.length + 1
            long = None
        pieces = (rest + block).split(b"\n")
        rest = pieces.pop()
        for data in pieces:
            lines.append(_line(offset, data, line_bytes))
            offset += len(data) + 1
        if len(rest) > line_bytes:
            long = _LongLine(offset, rest)
            rest = b""
        if lines:
            yield lines
    if long is not None:
        yield [long.line()]
    elif rest:
        yield [_line(offset, rest, line_bytes)]


class _LongLine:
    """A line that is read to its end but not kept."""

    def __init__(self, offset: int, data: bytes) -> None:
        self._offset = offset
        self._kept = data[:_KEPT_OF_LONG]
        self._hash = hashlib.sha256(data)
        self.length = len(data)

    def add(self, data: bytes) -> None:
        self._hash.update(data)
        self.length += len(data)

    def line(self) -> Line:
        return Line(self._offset, self._kept, self.length, self._hash.digest())


def _line(offset: int, data: bytes, line_bytes: int) -> Line:
    if len(data) > line_bytes:
        return _LongLine(offset, data).line()
    return Line(offset, data, len(data), b"")


def _groups(lists: Iterable[list[Line]]) -> Iterator[list[Line]]:
    """Lines in groups of a bounded number."""
    for lines in lists:
        for first in range(0, len(lines), _GROUP_LINES):
            yield lines[first : first + _GROUP_LINES]


def _too_large(line: Line) -> Refusal:
    kept = min(line.length, _KEPT_OF_LONG)
    return Refusal(
        Reason.TOO_LARGE,
        "",
        f"a line of {line.length} bytes, beyond limits.line_bytes; its first {kept} bytes are kept",
    )


def _whole_pointer(delivery: Delivery, pointer: str) -> str:
    """The pointer from the top of what a reject keeps: the line, its batch narrowed to one."""
    batch = "" if delivery.records is None else "/batch/0"
    return f"{'/body' if delivery.wrapped else ''}{batch}{pointer}"


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table | None:
    if not rows:
        return None
    columns: Any = zip(*rows, strict=True)
    return pa.Table.from_arrays(
        [_array(column, kind.type) for column, kind in zip(columns, schema, strict=True)],
        schema=schema,
    )


def _array(column: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind):
        return pa.array(column, pa.int64()).view(kind)
    return pa.array(column, kind)
