"""Dbt's manifest, from which the graph is made: parsed again only when it would differ."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from governance.config import Config
from governance.errors import ThroughlineError, UserError
from governance.home import Home
from orchestration.dbt import (
    PARSE_SECONDS,
    PROJECT,
    dbt_arguments,
    graph_folder,
    parse,
    target_folder,
)

_NOT_READ = frozenset({"target", "logs", "dbt_packages"})


def load_manifest(home: Home, config: Config) -> Mapping[str, Any]:
    """The manifest as this home configures it; runs ``dbt parse`` when there is no fresh one.

    Raises:
        UserError: the project does not parse, with dbt's own words.
    """
    kept = target_folder(home) / f"manifest-{project_digest(home, config)}.json"
    if not kept.exists():
        _parse(home, config, kept)
    return json.loads(kept.read_bytes())


def _parse(home: Home, config: Config, kept: Path) -> None:
    folder = graph_folder(home)
    try:
        done = parse(home, config, folder)
    except subprocess.TimeoutExpired as error:
        raise ThroughlineError(f"dbt parse took longer than {PARSE_SECONDS} s.") from error
    if done.returncode:
        raise UserError(
            "dbt cannot parse the project.",
            why=(done.stdout + done.stderr)[-4000:],
            fix=f"Mend the file it names below {PROJECT}.",
        )
    for older in kept.parent.glob("manifest-*.json"):
        older.unlink(missing_ok=True)
    draft = kept.with_suffix(f".{os.getpid()}")
    draft.write_bytes((folder / "manifest.json").read_bytes())
    draft.replace(kept)


def project_digest(home: Home, config: Config) -> str:
    """Of the project's files, the arguments (which hold the home's variables) and dbt's version."""
    seen = hashlib.sha256()
    for part in (version("dbt-core"), version("dbt-duckdb"), *dbt_arguments("parse", home, config)):
        seen.update(part.encode() + b"\0")
    for path in sorted(_project_files()):
        seen.update(str(path.relative_to(PROJECT)).encode() + b"\0")
        seen.update(hashlib.sha256(path.read_bytes()).digest())
    return seen.hexdigest()[:24]


def _project_files() -> Iterator[Path]:
    for folder, names, files in os.walk(PROJECT):
        names[:] = [name for name in names if name not in _NOT_READ and name[0] not in "._"]
        yield from (Path(folder) / file for file in files if not file.endswith(".pyc"))
