"""The Dagster instance of a home: runs, events and schedules live in ``HOME/.dagster``.

``dagster.yaml`` at the repository's root is the one place for settings. Each home gets a copy
with its own paths, made again at every start, so that an update of the program reaches every
home. PostgreSQL instead of
SQLite: set ``THROUGHLINE_DAGSTER_POSTGRES_URL``.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager

from governance.errors import UserError
from governance.home import HOME_VARIABLE, Home

POSTGRES_VARIABLE = "THROUGHLINE_DAGSTER_POSTGRES_URL"
SETTINGS = Path(__file__).resolve().parent.parent / "dagster.yaml"

_NO_CAPTURE = NoOpComputeLogManager


def instance_settings(home: Home, *, postgres: bool) -> dict[str, Any]:
    """The root ``dagster.yaml`` with the home's paths; secrets stay in the environment."""
    settings = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    settings["storage"] = (
        {"postgres": {"postgres_url": {"env": POSTGRES_VARIABLE}}}
        if postgres
        else {"sqlite": {"base_dir": str(home.dagster)}}
    )
    settings["local_artifact_storage"]["config"] = {"base_dir": str(home.dagster)}
    settings["compute_logs"]["config"] = {"base_dir": str(home.dagster / "logs")}
    return settings


def prepare_instance(home: Home) -> Path:
    """Write ``HOME/.dagster/dagster.yaml`` and return the folder, which is DAGSTER_HOME.

    The file is replaced atomically: a daemon may be reading it.
    """
    _prepare_postgres()
    home.dagster.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(
        instance_settings(home, postgres=bool(os.environ.get(POSTGRES_VARIABLE))), sort_keys=False
    )
    target = home.dagster / "dagster.yaml"
    if not target.exists() or target.read_text(encoding="utf-8") != text:
        draft = home.dagster / f".dagster.yaml.{os.getpid()}"
        draft.write_text(text, encoding="utf-8")
        draft.replace(target)
    return home.dagster


def with_driver(url: str) -> str:
    """The address with the driver dagster-postgres is written for.

    ``postgresql://`` means psycopg 3 to SQLAlchemy 2.1, whose server-side parameters Dagster's
    ``NOTIFY`` does not survive.
    """
    scheme, separator, rest = url.partition("://")
    plain = scheme in {"postgresql", "postgres"}
    return f"postgresql+psycopg2{separator}{rest}" if plain else url


def _prepare_postgres() -> None:
    """PostgreSQL is an extra: say which, instead of Dagster's import error; name the driver."""
    url = os.environ.get(POSTGRES_VARIABLE)
    if not url:
        return
    os.environ[POSTGRES_VARIABLE] = with_driver(url)
    if find_spec("dagster_postgres") is None:
        raise UserError(
            f"{POSTGRES_VARIABLE} is set, but the package for it is not installed.",
            why="Run history in PostgreSQL needs dagster-postgres.",
            fix="pip install 'throughline[postgres]', or unset the variable: SQLite needs nothing.",
        )


def open_instance(home: Home) -> dg.DagsterInstance:
    """The home's instance for use in this process; close it with ``with``.

    Steps' output is not captured: capturing turns the process's own streams, which belong to the
    command line here, into files. dbt's log lies in ``HOME/logs`` anyway.
    """
    quiet = {"compute_logs": {"module": _NO_CAPTURE.__module__, "class": _NO_CAPTURE.__name__}}
    return dg.DagsterInstance.from_ref(
        InstanceRef.from_dir(str(prepare_instance(home)), overrides=quiet)
    )


def dagster_environment(home: Home) -> dict[str, str]:
    """The variables a webserver, daemon or ``dagster dev`` of this home starts with."""
    folder = prepare_instance(home)  # first: it may correct a variable
    return {
        **os.environ,
        HOME_VARIABLE: str(home.root),
        "DAGSTER_HOME": str(folder),
        "DO_NOT_TRACK": "1",
    }
