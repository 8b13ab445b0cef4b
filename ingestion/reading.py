"""What one load reads: spans of segments, their receipts, and the batches made of them.

::

    committed rows of raw.segments -> plan -> spans -> receipts (counted first, on their own)
                                                   -> batches -> dlt
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from governance.config import Config, Source
from governance.contracts import Contracts
from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from governance.progress import Progress
from governance.vault import Vault, open_vault
from ingestion.batches import Batch, SpanReader, Tally
from ingestion.clock import as_microseconds
from ingestion.compression import DamagedError
from ingestion.dumps import plan_whole, rows
from ingestion.formats import format_of
from ingestion.formats.record import Format
from ingestion.identifiers import Identifiers
from ingestion.parser import parse
from ingestion.planning import plan
from ingestion.raw_schema import RECEIPTS, SEGMENTS, TABLES
from ingestion.receipts import Receipt, Receipts
from ingestion.refusals import Refusal
from ingestion.rejects import RejectFile
from ingestion.segments import Committed, Landing, Problem, Segment, Span, Waiting

if TYPE_CHECKING:
    from ingestion.databases import Extraction

HEARTBEAT = "(read)"
"""The segment that says how far a database was read."""
Tables = dict[str, pa.Table]
Positions = Mapping[tuple[str, str], Committed]


@dataclass(slots=True)
class SourceReading:
    """One source's part of a load, and what came of it."""

    landing: Landing
    spans: list[Span] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    ignored: list[Problem] = field(default_factory=list)
    postponed: int = 0
    """Dumps that the next load reads."""
    tallies: list[Tally] = field(default_factory=list)
    unidentified: int = 0

    @property
    def source(self) -> Source:
        return self.landing.source


class Reading:
    """Everything one load reads. ``batches`` can be run once."""

    def __init__(
        self,
        home: Home,
        config: Config,
        keys: Keys,
        *,
        sources: Sequence[Source],
        positions: Positions,
        again: bool,
        extracted: Sequence[Extraction],
        name: str,
        load_began: datetime,
        progress: Progress,
    ) -> None:
        self._home = home
        self._config = config
        self._keys = keys
        self._contracts = Contracts.load(home.contracts)
        self._name = name
        self._began = load_began
        self._progress = progress
        self._receipts = Receipts()
        self._extracted = {extraction.source: extraction for extraction in extracted}
        self._formats: dict[tuple[str, str], Format] = {}
        self._bytes_left = config.limits.load_bytes
        self.sources = [
            self._plan(Landing.of(home, source), positions, again) for source in sources
        ]
        self.receipts = self._count()

    def close(self) -> None:
        """Free what the reading holds."""
        self._receipts.close()

    def batches(self) -> Iterator[Tables]:
        """Tables to append; the first are empty, so that every table exists after any load."""
        yield {name: TABLES[name].empty_table() for name in ("events", "rejects", "segments")}
        total = sum(span.end - span.start for part in self.sources for span in part.spans)
        done = 0
        if total:
            yield from self._heartbeats()
        with ExitStack() as stack:
            vault: list[Vault] = []

            def remember(identifiers: Identifiers) -> None:
                if identifiers.pending:
                    if not vault:
                        vault.append(stack.enter_context(open_vault(self._home, keys=self._keys)))
                    vault[0].remember(identifiers.drain())

            for part in self.sources:
                for tables, read in self._read(part, remember):
                    done += read
                    self._progress(f"Loading {part.source.name} (bytes)", done, total)
                    yield tables

    def _heartbeats(self) -> Iterator[Tables]:
        """How far databases were read, also where nothing was new.

        Only beside other rows: an hour in which nothing came from anywhere stays one.
        """
        for name, extraction in self._extracted.items():
            if extraction.tables and not extraction.problems:
                until = as_microseconds(min(read.observed_at for read in extraction.tables))
                row = (name, HEARTBEAT, 1, 0, 0, 0, "", 0, 0, 0, 0, until)
                yield {"segments": _table([row], SEGMENTS)}

    def _read(
        self, part: SourceReading, remember: Callable[[Identifiers], None]
    ) -> Iterator[tuple[Tables, int]]:
        rejects = RejectFile(self._home, self._keys, part.source.name, self._name)
        reader = SpanReader(
            part.source,
            limits=self._config.limits,
            keys=self._keys,
            contracts=self._contracts,
            receipts=self._receipts,
            rejects=rejects,
            load_began=self._began,
            remember=remember,
        )
        try:
            for span in part.spans:
                tally = Tally(end=span.start)
                at = span.start
                form = self._format(part.source, span)
                for batch in self._batches(reader, part.landing, span, form, tally):
                    tables = {"events": batch.events, "rejects": batch.rejects}
                    yield {k: t for k, t in tables.items() if t is not None}, tally.end - at
                    at = tally.end
                part.tallies.append(tally)
                yield {"segments": _segment_row(span, tally)}, max(span.end - at, 0)
            part.unidentified = reader.unidentified
        finally:
            rejects.close()

    def _batches(
        self, reader: SpanReader, landing: Landing, span: Span, form: Format, tally: Tally
    ) -> Iterator[Batch]:
        if span.segment.container == "lines":
            blocks = landing.blocks(span.segment, span.start, span.end)
            return reader.read(span, form, blocks, tally)
        found = rows(landing, span, form, self._config.limits)
        return reader.read_rows(span, form, found, tally)

    def _format(self, source: Source, span: Span) -> Format:
        """The format of a span; the files of one table, or of one source, share theirs."""
        key = (source.name, span.segment.name.rpartition("/")[0] if source.tables else "")
        if key not in self._formats:
            self._formats[key] = format_of(source, self._keys.digest, span.segment.name)
        return self._formats[key]

    def _plan(self, landing: Landing, positions: Positions, again: bool) -> SourceReading:
        part = SourceReading(landing)
        for segment in landing.segments():
            committed = positions.get((segment.source, segment.name))
            # In the order of their names: no month is counted before the one it follows.
            if (
                committed is None
                and not again
                and (part.postponed or self._is_postponed(landing, segment))
            ):
                part.postponed += 1
                continue
            if landing.source.is_appended:
                found = plan(
                    landing,
                    segment,
                    committed,
                    again=again,
                    digest=self._keys.digest,
                    is_record=self._is_record,
                    line_bytes=self._config.limits.line_bytes,
                )
            else:
                found = plan_whole(
                    landing,
                    segment,
                    committed,
                    again=again,
                    limits=self._config.limits,
                )
            if isinstance(found, Span):
                part.spans.append(found)
                if not landing.source.is_appended:
                    self._bytes_left -= segment.size
                left = segment.size - found.end
                if landing.source.is_appended and segment.compression is None and left > 0:
                    part.waiting.append(Waiting(segment.source, segment.name, left))
            elif isinstance(found, Problem):
                part.problems.append(found)
            elif isinstance(found, Waiting):
                part.waiting.append(found)
        extraction = self._extracted.get(landing.source.name)
        if extraction is not None:
            part.problems += extraction.problems
            part.ignored += extraction.left_alone
        part.problems += landing.problems
        part.ignored += landing.ignored
        return part

    def _is_postponed(self, landing: Landing, segment: Segment) -> bool:
        """Whether a dump is left to the next load: those of this one fill ``limits.load_bytes``.

        A backfill of years is loaded in parts: what was loaded stays when it is stopped, and
        between two parts other loads have their turn. A dump larger than the limit is a part alone.
        """
        untouched = self._bytes_left == self._config.limits.load_bytes
        beyond = segment.size > self._bytes_left
        return beyond and not untouched and not landing.source.is_appended

    def _is_record(self, line: bytes) -> bool:
        try:
            parse(line, depth=self._config.limits.depth)
        except Refusal:
            return False
        return True

    def _count(self) -> pa.Table:
        """The receipts of all spans: counted before, and apart from, the reading of events."""
        receipts: list[tuple[Any, ...]] = []
        spans = [(part.landing, span) for part in self.sources for span in part.spans]
        for number, (landing, span) in enumerate(spans):
            self._progress("Counting receipts (segments)", number, len(spans))
            try:
                counted = self._counted(landing, span)
            except DamagedError as error:
                raise changed(span, error) from None
            place = (span.segment.source, span.segment.name, span.generation, span.start, span.end)
            receipts += [(*place, receipt.receipt_hour, receipt.records) for receipt in counted]
        return _table(receipts, RECEIPTS)

    def _counted(self, landing: Landing, span: Span) -> list[Receipt]:
        """Records of a span: of rows, as many as each stands for; rows have no hour of receipt."""
        if span.rows is None:
            blocks = landing.blocks(span.segment, span.start, span.end)
            return self._receipts.count(blocks, line_bytes=self._config.limits.line_bytes)
        parts = self._format(landing.source, span).parts
        return [Receipt(None, parts * span.rows)] if span.rows else []


def changed(span: Span, error: Exception) -> UserError:
    """A file that could be read when it was planned, and cannot now."""
    return UserError(
        f"{span.segment.path} changed while it was read.",
        why=str(error),
        fix="Load again once nobody rewrites it.",
    )


def _segment_row(span: Span, tally: Tally) -> pa.Table:
    row = (
        span.segment.source,
        span.segment.name,
        span.generation,
        span.start,
        span.end,
        span.segment.size,
        span.head_digest,
        tally.lines,
        tally.accepted,
        tally.stripped,
        tally.quarantined,
        tally.max_received_at,
    )
    return _table([row], SEGMENTS)


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [
        pa.array(column, pa.int64()).view(kind.type)
        if pa.types.is_timestamp(kind.type)
        else pa.array(column, kind.type)
        for column, kind in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
