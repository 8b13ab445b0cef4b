"""A look at a folder of files: containers, and which format their records have."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from governance.config import Config, Source, is_address
from governance.config.kinds import FORMATS
from governance.errors import UserError
from governance.home import Home
from ingestion.compression import DamagedError
from ingestion.containers.rows import FileProblem
from ingestion.delivery import Delivery, unwrap
from ingestion.parser import WHITESPACE, JsonObject, parse
from ingestion.refusals import Refusal
from ingestion.segments import Landing, Problem, Segment
from ingestion.trial import first_lines
from orchestration.connect.columns import Column, columns_of

FileKind = Literal["landing", "event_dumps", "webhook_logs"]
KINDS: tuple[FileKind, ...] = ("landing", "event_dumps", "webhook_logs")

_LINES = 200
_FILES = 5
_LOG_LINE = re.compile(rb'\S+ \S+ .{0,200}?\[[^\]]{10,40}\] "')
_SEGMENT = frozenset(("track", "page", "screen", "identify", "group", "alias"))
_JSON_ARRAY = "jq -c '.[]' {0} > {1}.jsonl   # and move {0} away"


@dataclass(frozen=True, slots=True)
class FileLook:
    """What lies in a folder.

    Attributes:
        folder: as ``path`` of the source: below the home, absolute, or an address.
        kind: the kind of source that fits.
        format: the format its records have; ``mapped`` where nobody knows it.
        containers: how many files of each there are.
        columns: of records that need a mapping.
        name: of the first file, without its endings.
        has_ids: whether the records of a known format carry ids.
        ignored: files whose ending nobody knows.
        consent_like: all fields of records of JSON: one may say what somebody agreed to.
    """

    folder: str
    kind: FileKind
    format: str
    containers: dict[str, int] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    name: str = ""
    has_ids: bool = True
    ignored: tuple[Problem, ...] = ()
    consent_like: tuple[Column, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sample:
    """The first records of a folder, with their deliveries where they are JSON."""

    records: list[JsonObject]
    deliveries: list[Delivery]
    container: str


def look_at_files(
    home: Home,
    config: Config,
    given: str,
    *,
    kind: FileKind | None,
    form: str | None,
    csv: dict[str, str],
) -> FileLook:
    """Find out what kind of source a folder is, and what its records look like.

    Args:
        home: relative paths begin at the working folder, else here.
        config: limits.
        given: folder or address.
        kind: when its owner said so.
        form: the format, when its owner said so.
        csv: how CSV files are written, as far as its owner said so.

    Raises:
        UserError: there is no such folder, it is empty, or nothing in it can be read.
    """
    folder = _folder(home, given)
    source = _provisional(folder, kind or "event_dumps", form, csv)
    landing, segments = _listed(home, source)
    if not segments:
        raw = _log_files(home, folder, kind, form)
        if raw is None:
            raise _nothing_there(landing, given)
        landing, segments = raw
    sample = _sample(landing, segments, config)
    found = form or _format(sample, kind)
    containers: dict[str, int] = {}
    for segment in segments:
        containers[segment.container] = containers.get(segment.container, 0) + 1
    chosen = kind or _kind(sample, found)
    _refuse_unfit(chosen, found, containers)
    nested = sample.container == "lines"
    columns = (
        columns_of(_mapped_records(sample, chosen), nested=nested) if found == "mapped" else []
    )
    return FileLook(
        folder=folder,
        kind=chosen,
        format=found,
        containers=containers,
        columns=tuple(columns),
        name=re.split(r"[.!]", segments[0].name.rpartition("/")[2])[0],
        has_ids=_has_ids(sample, found),
        ignored=tuple(landing.ignored),
        consent_like=tuple(columns_of(sample.records, nested=True)) if nested else (),
    )


def _folder(home: Home, given: str) -> str:
    """The path a source is given: relative when it lies below the home.

    Raises:
        UserError: nothing is there, or a single file.
    """
    if "@" in given.partition("://")[2].partition("/")[0]:
        raise UserError(
            "An address must not hold a user or a password.",
            why="Addresses of databases go to --url, which keeps them in .env; of files, the"
            " environment has the credentials.",
            fix="Leave them out; set FSSPEC_<SCHEME>_USERNAME and …_PASSWORD in the environment.",
        )
    if is_address(given):
        return given
    typed = Path(given).expanduser()
    choices = [typed] if typed.is_absolute() else [Path.cwd() / typed, home.root / typed]
    found = next((path.resolve() for path in choices if path.exists()), None)
    if found is None:
        raise UserError(
            f"There is no folder {given}.",
            why="Looked for: " + ", ".join(map(str, dict.fromkeys(choices))),
            fix=f"mkdir -p {choices[-1]}   and put the files there, or mend --path",
        )
    if found.is_file():
        raise UserError(
            f"{given} is a file.",
            why="A source is a folder: all files in it are read, and those that come later.",
            fix=f"Name its folder: --path {found.parent}   (or move it into one of its own)",
        )
    if found.is_relative_to(home.root) and found != home.root:
        return found.relative_to(home.root).as_posix() + "/"
    return str(found)


def _provisional(
    folder: str, kind: FileKind, form: str | None, csv: dict[str, str] | None = None
) -> Source:
    """A source to list files with: nothing of it is ever written."""
    return Source.model_validate(
        {
            "name": "connect",
            "kind": kind,
            "path": folder,
            "format": form or "native",
            "csv": csv or {},
            "surface": "other",
            "trust": "server",
            "lawful_basis": "not_personal",
        }
    )


def _listed(home: Home, source: Source) -> tuple[Landing, list[Segment]]:
    landing = Landing.of(home, source)
    segments = landing.segments()
    if landing.problems:
        problem = landing.problems[0]
        raise UserError(f"{problem.segment} {problem.what}.", fix=problem.fix)
    return landing, segments


def _log_files(
    home: Home, folder: str, kind: FileKind | None, form: str | None
) -> tuple[Landing, list[Segment]] | None:
    """The files of a folder as access logs, which have all sorts of endings."""
    if kind not in (None, "event_dumps") or form not in (None, "combined_log"):
        return None
    landing, segments = _listed(home, _provisional(folder, "event_dumps", "combined_log"))
    if segments and _LOG_LINE.match(_head(landing, segments[0])):
        return landing, segments
    return None


def _nothing_there(landing: Landing, given: str) -> UserError:
    if landing.ignored:
        first = landing.ignored[0]
        if first.segment.lower().endswith((".log", ".txt")):
            return _no_access_log(first.segment)
        return UserError(f"{first.segment} {first.what}.", fix=first.fix)
    return UserError(
        f"There are no files in {given}.",
        why="Their first records say how they are to be read.",
        fix="Put at least one file there, then run the same command again.",
    )


def _head(landing: Landing, segment: Segment) -> bytes:
    return next(iter(landing.blocks(segment, 0, 4096)), b"")


def _sample(landing: Landing, segments: list[Segment], config: Config) -> _Sample:
    """The first records of the first files that are of the first one's container.

    Raises:
        UserError: the first file cannot be read.
    """
    container = segments[0].container
    chosen = [segment for segment in segments if segment.container == container][:_FILES]
    records: list[JsonObject] = []
    deliveries: list[Delivery] = []
    for segment in chosen:
        try:
            if container == "lines":
                found = _deliveries(landing, segment, config)
                deliveries += found
                records += [record for each in found for record in _records_of(each)]
            elif container == "text":
                if not _LOG_LINE.match(_head(landing, segment)):
                    raise _no_access_log(segment.name)
                return _Sample([], [], container)
            else:
                records += _rows(landing, segment, config)
        except (DamagedError, FileProblem, OSError) as error:
            if segment is not chosen[0]:
                continue
            fix = error.fix if isinstance(error, FileProblem) else "Replace it, or move it away."
            what = f"cannot be read: {error}" if not isinstance(error, FileProblem) else error.what
            raise UserError(f"{segment.name} {what}.", fix=fix) from None
    return _Sample(records[:_LINES], deliveries[:_LINES], container)


def _rows(landing: Landing, segment: Segment, config: Config) -> list[JsonObject]:
    from ingestion.containers import csv_files, parquet_files

    with landing.opened(segment) as file:
        groups = (
            parquet_files.rows(file)
            if segment.container == "parquet"
            else csv_files.rows(file, landing.source.csv, line_bytes=config.limits.line_bytes)
        )
        rows = islice(chain.from_iterable(groups), _LINES)
        return [row.record for row in rows if row.record is not None]


def _deliveries(landing: Landing, segment: Segment, config: Config) -> list[Delivery]:
    """The lines of a file of JSON.

    Raises:
        UserError: it is one JSON array, or nothing in it is JSON.
    """
    limits = config.limits
    block = first_lines(landing, segment, _LINES, limits.line_bytes)
    lines = [line for line in block.split(b"\n") if line.strip(WHITESPACE)]
    if lines and lines[0].lstrip(WHITESPACE).startswith(b"["):
        stem = segment.name.rpartition(".")[0] or segment.name
        raise UserError(
            f"{segment.name} is one JSON array; files of JSON hold one object a line.",
            why="An array has to be read to its end before its first record can be used.",
            fix=_JSON_ARRAY.format(segment.name, stem),
        )
    found: list[Delivery] = []
    for line in lines:
        try:
            parsed = parse(line, depth=limits.depth)
            found.append(unwrap(parsed, depth=limits.depth, batch_events=limits.batch_events))
        except Refusal:
            continue
    if found or not lines:
        return found
    raise UserError(
        f"No line of {segment.name} is a JSON object.",
        why="Files of JSON hold one object a line.",
        fix="Write one object a line (jq -c . FILE), or name the file after what it is: .csv, .log",
    )


def _records_of(delivery: Delivery) -> list[JsonObject]:
    records: Iterable[Any] = delivery.records or [delivery.body]
    return [record for record in records if isinstance(record, dict)]


def _no_access_log(name: str) -> UserError:
    return UserError(
        f"{name} is text, but no access log in the combined form.",
        why="Of text, only access logs of web servers can be read.",
        fix="Convert it to CSV or to one JSON object a line.",
    )


def _format(sample: _Sample, kind: FileKind | None) -> str:
    """The format most of the first records have."""
    if sample.container == "text":
        return "combined_log"
    if sample.container != "lines":
        return "mapped"
    votes: dict[str, int] = {}
    for delivery in sample.deliveries:
        for record in _records_of(delivery)[:1]:
            found = _format_of(record, delivery)
            votes[found] = votes.get(found, 0) + 1
    best = max(votes, key=lambda name: votes[name], default="mapped")
    if kind == "webhook_logs" and best in ("native", "segment", "amplitude"):
        return "mapped"
    return best


def _format_of(record: JsonObject, delivery: Delivery) -> str:
    headers = delivery.headers
    if "x-github-event" in headers:
        return "github"
    if "x-shopify-topic" in headers:
        return "shopify"
    if record.get("object") == "event" and isinstance(record.get("data"), dict):
        return "stripe"
    if "event_name" in record and "occurred_at" in record:
        return "native"
    who = "userId" in record or "anonymousId" in record or "messageId" in record
    if record.get("type") in _SEGMENT and who:
        return "segment"
    if delivery.path is not None and _is_segment_path(delivery.path) and who:
        return "segment"
    if "event_type" in record and ("$insert_id" in record or "event_time" in record):
        return "amplitude"
    return "mapped"


def _is_segment_path(path: str) -> bool:
    return path.rstrip("/").rpartition("/")[2] in (*_SEGMENT, "batch", "import", "t", "p", "i", "g")


def _kind(sample: _Sample, form: str) -> FileKind:
    if form in ("stripe", "github", "shopify"):
        return "webhook_logs"
    if form in ("native", "segment") and sample.container == "lines":
        return "landing"
    if form == "mapped" and any(delivery.wrapped for delivery in sample.deliveries):
        return "webhook_logs"
    return "event_dumps"


def _refuse_unfit(kind: FileKind, form: str, containers: dict[str, int]) -> None:
    """A kind or format its owner said, that these files cannot be."""
    tabular = {"csv", "parquet", "text"} & containers.keys()
    if kind != "event_dumps" and tabular:
        raise UserError(
            f"A source of kind {kind} is JSON lines; there is {', '.join(sorted(tabular))} here.",
            fix="--kind event_dumps",
        )
    if form not in FORMATS[kind]:
        fit = next(other for other in KINDS if form in FORMATS[other])
        raise UserError(
            f"Records of format {form} do not make a source of kind {kind}.",
            why=f"One of that kind has {', '.join(FORMATS[kind])}.",
            fix=f"--kind {fit}   (or leave --kind out)",
        )
    if form not in ("mapped", "combined_log") and tabular:
        raise UserError(
            f"The format {form} is JSON; there is {', '.join(sorted(tabular))} here.",
            fix="Leave --format out: the columns are mapped one by one.",
        )


def _mapped_records(sample: _Sample, kind: FileKind) -> Iterable[JsonObject]:
    """The records as a mapping sees them: deliveries of webhooks with what is around them."""
    if kind != "webhook_logs":
        return sample.records
    return ({"body": record} for record in sample.records)


def _has_ids(sample: _Sample, form: str) -> bool:
    key = {"native": "event_id", "segment": "messageId"}.get(form)
    if form == "combined_log":
        return False
    return key is None or all(record.get(key) for record in sample.records)
