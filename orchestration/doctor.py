"""``throughline doctor``: looks at all that has gone wrong before, and names the fix of each."""

from __future__ import annotations

import json
import platform
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from governance.config import Config, Source, check_config, load_config
from governance.errors import UserError, WarehouseBusyError
from governance.home import Home
from governance.keys import load_keys
from governance.warehouse import lock_holder, marker_of, refuse_version, warehouse_lock
from ingestion.identity_overrides import read_overrides
from orchestration.publishing import current_file, target_states, versions
from orchestration.status import read_last_build

Level = Literal["ok", "warning", "error"]

# Below this a full rebuild of a medium home does not fit.
_LOW_DISK_BYTES = 2_000_000_000
LARGE_SHARE = 0.3
_PACKAGES = ("duckdb", "dbt-core", "dbt-duckdb", "dlt", "dagster")
_STRIPPED = """
    select source, sum(stripped), sum(accepted + stripped)
    from marts.rpt_pipeline group by source order by source
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; ``fix`` is a command or an edit wherever the level is not ok."""

    name: str
    level: Level
    found: str
    fix: str = ""


def examine(home: Home) -> list[Check]:
    """All checks of a home. Nothing is changed and nothing waits."""
    checks = [*_programs(), *_disk(home), *_keys(home), *_env_file(home), *_configuration(home)]
    checks += [*_overrides(home), *_lock(home), *_versions(home), *_build(home), *_published(home)]
    try:
        config = load_config(home)
    except UserError:
        return checks  # the check of the configuration has said why
    return [*checks, *_targets(home, config), *_stripped(home, config)]


def _programs() -> Iterator[Check]:
    # an older Python or a missing package stops pip, make and imports before this can look
    yield Check("python", "ok", platform.python_version())
    for package in _PACKAGES:
        try:
            yield Check(package, "ok", version(package))
        except PackageNotFoundError:
            yield Check(package, "error", "not installed", "make install")


def _disk(home: Home) -> Iterator[Check]:
    free = shutil.disk_usage(home.root).free
    needed = max(_LOW_DISK_BYTES, 2 * _size(home))
    found = f"{free / 1e9:.1f} GB free"
    if free < needed:
        fix = f"Free space until {needed / 1e9:.1f} GB are left, or set publish.max_bytes"
        yield Check("disk", "warning", found, fix)
    else:
        yield Check("disk", "ok", found)


def _size(home: Home) -> int:
    return home.warehouse.stat().st_size if home.warehouse.exists() else 0


def _keys(home: Home) -> Iterator[Check]:
    try:
        keys = load_keys(home)
    except UserError as error:
        yield Check("keys", "error", error.what, error.fix)
    else:
        yield Check("keys", "ok", f"key id {keys.key_id}")


def _env_file(home: Home) -> Iterator[Check]:
    if not home.env.exists():
        yield Check(".env", "ok", "none")
        return
    mode = stat.S_IMODE(home.env.stat().st_mode)
    if mode & 0o077:
        yield Check(
            ".env", "error", f"mode {mode:04o}: others can read it", f"chmod 600 {home.env}"
        )
    else:
        yield Check(".env", "ok", f"mode {mode:04o}")


def _configuration(home: Home) -> Iterator[Check]:
    findings = check_config(home)
    for finding in findings:
        yield Check("configuration", finding.level, finding.what, finding.fix)
    if not findings:
        yield Check("configuration", "ok", "throughline.yml and contracts can be used")


def _overrides(home: Home) -> Iterator[Check]:
    """Whether the next load can read what people said; without keys nobody can tell."""
    try:
        keys = load_keys(home)
    except UserError:
        return  # the check of the keys has said why
    try:
        said = read_overrides(home, keys)
    except UserError as error:
        yield Check("identity overrides", "error", error.what, error.fix)
    else:
        yield Check("identity overrides", "ok", f"{len(said)} statements" if said else "none")


def _lock(home: Home) -> Iterator[Check]:
    holder = lock_holder(home)
    yield Check("warehouse lock", "ok", f"held by {holder}" if holder else "free")


def _versions(home: Home) -> Iterator[Check]:
    """Whether this program can use the warehouse; not asked while somebody works in it."""
    if not home.warehouse.exists():
        return
    try:
        with warehouse_lock(home, "doctor", wait_seconds=0):
            marker = marker_of(home)
        if marker:
            refuse_version(home, marker)
    except WarehouseBusyError:
        return
    except UserError as error:
        yield Check("warehouse version", "error", error.what, error.fix)
    else:
        if marker:
            found = f"schema {marker.schema_version}, semantics {marker.semantics_version}"
            yield Check("warehouse version", "ok", found)


def _targets(home: Home, config: Config) -> Iterator[Check]:
    for state in target_states(home, config):
        if state.is_behind:
            found = f"{state.name} is behind: {state.error or 'not sent yet'}"
            yield Check("target", "warning", found, f"throughline publish --to {state.name}")
        else:
            yield Check("target", "ok", f"{state.name}: {state.place}")


def _build(home: Home) -> Iterator[Check]:
    last = read_last_build(home)
    if last is None:
        yield Check("last build", "ok", "none yet")
        return
    for failure in last.failures:
        fix = f"Look at {failure.path}, then: throughline build"
        yield Check("last build", "error", f"{failure.name}: {failure.message}", fix)
    if not last.failures:
        yield Check("last build", "ok", f"{last.models} models and {last.tests} tests passed")


def _published(home: Home) -> Iterator[Check]:
    kept = versions(home)
    withdrawn = [kept_version.name for kept_version in kept if kept_version.is_withdrawn]
    if not kept:
        yield Check("published", "ok", "nothing yet")
    elif withdrawn:
        fix = f"throughline publish --rollback {withdrawn[0]}"
        yield Check("published", "warning", f"{withdrawn[0]} was rolled back", f"To undo: {fix}")
    else:
        yield Check("published", "ok", f"{len(kept)} versions kept")


def _stripped(home: Home, config: Config) -> Iterator[Check]:
    """Sources that lose a large share of their events for want of a legal ground."""
    import duckdb

    if not current_file(home).exists():
        return
    try:
        with duckdb.connect(str(current_file(home)), read_only=True) as connection:
            rows = connection.execute(_STRIPPED).fetchall()
    except duckdb.Error as error:
        yield Check(
            "consent", "warning", f"rpt_pipeline can not be read: {error}", "throughline build"
        )
        return
    sources = {source.name: source for source in config.sources}
    for name, stripped, judged in rows:
        share = stripped / judged if judged else 0.0
        found = f"{name}: {share:.1%} of {judged:,} events had no legal ground"
        if share > LARGE_SHARE and name in sources:
            yield Check("consent", "warning", found, consent_fix(sources[name]))
        else:
            yield Check("consent", "ok", found)


def consent_fix(source: Source, *, again: bool = True) -> str:
    """The YAML that would change it, and the command that judges kept events again.

    Args:
        source: whose events were stripped.
        again: whether there are kept events.
    """
    return (
        f"In throughline.yml, source {source.name}: {_consent_yaml(source)}"
        f" (or, if another ground is true: lawful_basis: contract | legitimate_interests)"
        + (f"; then: throughline load {source.name} --again" if again else "")
    )


def _consent_yaml(source: Source) -> str:
    """Where consent is said, in the words of the source's own way of being read."""
    if source.kind == "app_database":
        tables = ", ".join(table.table for table in source.tables if table.as_ != "consents")
        return (
            "in the mapping of each table that says so:"
            " consent: {analytics: COLUMN} must name a column that is true or false"
            f" ({tables}); where people agree in a table of its own, add it with as: consents"
        )
    if source.mapping is not None:
        given = source.mapping.consent.analytics
        field = given.sources[0] if given is not None and given.sources else "COLUMN"
        where = "field" if field == "COLUMN" else f"field, now {field},"
        return (
            f"mapping: consent: {{analytics: {field}}} must name the {where} where a record holds"
            " its person's answer, true or false; other words with {from: COLUMN, map: {ja: true}}"
        )
    mapped = json.dumps(dict(source.consent_map)).replace('"', "")
    if not source.consent_map:
        mapped = "{analytics: context.consent.categoryPreferences.Analytics}"
    return f"consent_map: {mapped} must name the field where your consent banner leaves its answer"
