"""How a home is: what is published, what waits in landing, what failed, who works, what to do next.

Nothing here waits: while another process holds the warehouse, what only the warehouse knows is left
out.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from governance.config import Config, Source, is_address
from governance.errors import UserError, WarehouseBusyError
from governance.home import Home
from governance.keys import Keys
from governance.warehouse import Holder, lock_holder, open_warehouse, warehouse_lock
from ingestion.identity_overrides import overrides_table, read_overrides
from ingestion.segments import Landing as Folder
from orchestration import inputs
from orchestration.dbt import Failure, read_report, target_folder
from orchestration.publishing import TargetState, Version, target_states, versions

# Of the newest generation that was committed.
_POSITIONS = """
    select source, segment, to_offset, size_bytes
    from raw.segments
    where _dlt_load_id = (select max(load_id) from raw._dlt_loads where status = 0)
    qualify row_number() over (
        partition by source, segment order by generation desc, to_offset desc
    ) = 1
"""

# Of the load that read the file last.
_OVERRIDES = """
    select * exclude (_dlt_load_id) from raw.identity_overrides
    where _dlt_load_id = (select max(load_id) from raw._dlt_loads where status = 0)
    order by position
"""

_Positions = dict[tuple[str, str], tuple[int, int]]  # offset read to, size of the file then
Overrides = Literal["loaded", "waiting", "broken"]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What the warehouse knows of the files it was loaded from."""

    positions: _Positions
    overrides: list[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Published:
    """The current version; ``age_seconds`` since it was made, ``data_until`` per source."""

    version: str
    run_id: str
    age_seconds: float
    rows: dict[str, int]
    data_until: dict[str, str | None]
    is_rolled_back: bool


@dataclass(frozen=True, slots=True)
class LastBuild:
    """The verdict of the last build that came to its end."""

    at: datetime
    models: int
    tests: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class Landing:
    """A source's folder.

    ``pending_bytes`` were not loaded yet (None: only the busy warehouse knows); ``tail_bytes``
    belong to lines whose end has not been written.
    """

    source: str
    path: str
    exists: bool
    files: int
    bytes: int
    pending_bytes: int | None
    tail_bytes: int


@dataclass(frozen=True, slots=True)
class Status:
    """Everything ``throughline status`` shows; ``next_command`` is what to type now.

    ``failing_checks`` of the last run are beside the failed tests of ``last_build``: the checks of
    the load and of Great Expectations. ``overrides`` says whether identity_overrides.jsonl was
    loaded as it is (None: only the busy warehouse knows).
    """

    home: Path
    published: Published | None
    kept_versions: int
    targets: tuple[TargetState, ...]
    last_build: LastBuild | None
    failing_checks: tuple[str, ...]
    landing: tuple[Landing, ...]
    overrides: Overrides | None
    lock_holder: Holder | None
    next_command: str
    why_next: str


def read_status(home: Home, config: Config, keys: Keys, *, now: datetime | None = None) -> Status:
    """The status of a home.

    Raises:
        UserError: the warehouse was made with other keys or another version of the program.
    """
    instant = now or datetime.now(UTC)
    kept = versions(home)
    holder = lock_holder(home)
    loaded = _read_loaded(home, config, keys) if holder is None else None
    positions = loaded.positions if loaded else None
    landing = tuple(_landing(home, source, positions) for source in config.sources)
    overrides = _overrides(home, keys, loaded)
    published = _published(kept, instant)
    last_build = read_last_build(home)
    failing = _failing_checks(home, last_build)
    targets = target_states(home, config)
    command, why = _next_step(
        home, published, last_build, failing, landing, overrides, holder, targets
    )
    return Status(
        home=home.root,
        published=published,
        kept_versions=len(kept),
        targets=targets,
        last_build=last_build,
        failing_checks=failing,
        landing=landing,
        overrides=overrides,
        lock_holder=holder,
        next_command=command,
        why_next=why,
    )


def read_last_build(home: Home) -> LastBuild | None:
    """The last build's verdict, whoever ran it; None when there is none or it was cut off."""
    results = target_folder(home) / "run_results.json"
    try:
        content = json.loads(results.read_bytes())
        report = read_report(home, seconds=content["elapsed_time"])
        at = datetime.fromisoformat(content["metadata"]["generated_at"])
    except (FileNotFoundError, ValueError, KeyError):
        return None
    return LastBuild(at, report.models, report.tests, report.failures)


def _failing_checks(home: Home, last_build: LastBuild | None) -> tuple[str, ...]:
    """What the last run found besides the failed tests dbt itself tells more about."""
    told = {failure.name for failure in last_build.failures} if last_build else set()
    audits = ["audit"] if inputs.doubt(home) else []
    return (*audits, *(name for name in inputs.failures(home) if name not in told))


def _published(kept: tuple[Version, ...], now: datetime) -> Published | None:
    current = next((version for version in kept if version.is_current), None)
    if current is None:
        return None
    return Published(
        version=current.name,
        run_id=current.manifest.run_id,
        age_seconds=(now - current.created_at).total_seconds(),
        rows={table.name: table.rows for table in current.manifest.tables},
        data_until=current.manifest.data_until,
        is_rolled_back=any(version.is_withdrawn for version in kept),
    )


def _read_loaded(home: Home, config: Config, keys: Keys) -> _Loaded | None:
    """How far each segment was read, and what was said; None when another process came between."""
    import duckdb

    if not home.warehouse.exists():
        return _Loaded({}, [])
    try:
        with (
            warehouse_lock(home, "status", wait_seconds=0),
            open_warehouse(home, keys=keys, storage=config.storage) as connection,
        ):
            rows = connection.execute(_POSITIONS).fetchall()
            overrides = connection.execute(_OVERRIDES).fetchall()
    except duckdb.CatalogException:
        return _Loaded({}, [])  # made, but nothing was ever loaded
    except WarehouseBusyError:
        return None
    positions = {(source, segment): (offset, size) for source, segment, offset, size in rows}
    return _Loaded(positions, overrides)


def _overrides(home: Home, keys: Keys, loaded: _Loaded | None) -> Overrides | None:
    try:
        said = overrides_table(read_overrides(home, keys)).to_pylist()
    except UserError:
        return "broken"  # the next load, and the doctor, say where
    if loaded is None:
        return None
    same = [tuple(row.values()) for row in said] == loaded.overrides
    return "loaded" if same else "waiting"


def _landing(home: Home, source: Source, positions: _Positions | None) -> Landing:
    """List a local folder; a remote one is not looked into, that could take minutes."""
    if is_address(source.folder) or not (home.root / source.folder).is_dir():
        # The folder of a database is made by the first load.
        exists = is_address(source.folder) or source.kind == "app_database"
        return Landing(source.name, source.folder, exists, 0, 0, None if exists else 0, 0)
    segments = Folder.of(home, source).segments()
    pending, tails = 0, 0
    for segment in segments:
        offset, size = (positions or {}).get((source.name, segment.name), (0, 0))
        if not source.is_appended:
            pending += 0 if segment.size == size else segment.size
        elif segment.size != size:
            pending += segment.size - (size if segment.compression else offset)
        elif not segment.compression:
            tails += segment.size - offset
    return Landing(
        source=source.name,
        path=source.folder,
        exists=True,
        files=len(segments),
        bytes=sum(segment.size for segment in segments),
        pending_bytes=None if positions is None else max(0, pending),
        tail_bytes=tails,
    )


def _next_step(
    home: Home,
    published: Published | None,
    last_build: LastBuild | None,
    failing_checks: tuple[str, ...],
    landing: tuple[Landing, ...],
    overrides: Overrides | None,
    holder: Holder | None,
    targets: tuple[TargetState, ...],
) -> tuple[str, str]:
    """The command to type now, and why."""
    missing = [item for item in landing if not item.exists]
    pending = sum(item.pending_bytes or 0 for item in landing)
    if holder:
        return "throughline status", f"{holder} is at work; look again when it is done"
    if last_build and last_build.failures:
        look = last_build.failures[0]
        return "throughline build", f"mend what {look.name} found first (see {look.path})"
    if found := inputs.doubt(home):
        return f"throughline audit --seed {found.seed}", "see which rows raw does not give"
    if failing_checks:
        return "throughline dev", f"see what {failing_checks[0]} found, and mend it first"
    if overrides == "broken":
        return (
            "throughline identity list",
            f"it says what to mend in {home.identity_overrides.name}",
        )
    if missing:
        return f"mkdir -p {home.root / missing[0].path}", "a source's landing folder is missing"
    if pending:
        return "throughline run hourly", "new files wait in landing"
    if overrides == "waiting":
        return "throughline run hourly", f"{home.identity_overrides.name} was changed"
    if behind := [target for target in targets if target.is_behind]:
        return f"throughline publish --to {behind[0].name}", f"{behind[0].name} is behind"
    if published is None and home.warehouse.exists():
        return "throughline run hourly", "nothing is published yet"
    if published is None:
        return "throughline synth", "landing is empty: put files there, or make a sample company"
    return "throughline dev", "all is published; see it in the Dagster UI"
