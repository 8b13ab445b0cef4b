"""A whole run with targets: one that fails stops nothing else, and the next run catches up."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from governance.home import Home
from orchestration.publishing import current_version
from tests.conftest import MINIMAL

EVENT = {
    "event_id": "a",
    "event_name": "page_view",
    "event_type": "page",
    "occurred_at": "2026-04-01T10:00:00Z",
    "received_at": "2026-04-01T10:00:00Z",
    "subject": {"user_id": "u_1"},
    "context": {"surface": "web"},
}


@pytest.mark.long
def test_the_next_run_catches_up_a_target_that_failed(
    make_home: Callable[..., Home],
    postgres: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    throughline: Callable,
) -> None:
    out = tmp_path / "out"
    to = [{"name": "bi", "postgres": "env:BI_URL"}, f"file://{out}"]
    home = make_home({**MINIMAL, "publish": {"to": to}})
    (home.landing / "web" / "a.jsonl").write_text(json.dumps(EVENT) + "\n")

    monkeypatch.setenv("BI_URL", "postgresql://bi:hush-hush@127.0.0.1:9/x")
    failed = throughline(home, "run", "hourly", check=False)
    assert failed.returncode == 1, failed.stderr
    assert "The target bi (PostgreSQL schema analytics at env:BI_URL) did not get" in failed.stderr
    assert "throughline publish --to bi" in failed.stderr
    assert "hush-hush" not in failed.stdout + failed.stderr
    version = current_version(home)
    assert version is not None
    assert json.loads((out / "current.json").read_text())["version"] == version
    status = json.loads(throughline(home, "status", "--json").stdout)
    assert [target["is_behind"] for target in status["targets"]] == [True, False]
    assert status["next_command"] == "throughline publish --to bi"
    # nor does any log or database of Dagster's hold the password
    kept = [path for path in home.dagster.rglob("*") if path.is_file()]
    assert [path for path in kept if b"hush-hush" in path.read_bytes()] == []

    monkeypatch.setenv("BI_URL", postgres)
    throughline(home, "run", "hourly")  # nothing landed, but a target is behind
    assert current_version(home) == version
    with psycopg.connect(postgres) as reader:
        assert reader.execute("select count(*) from analytics.fct_events").fetchone() == (1,)
    assert "Has it already" in throughline(home, "publish", "--to", "bi").stdout
    status = json.loads(throughline(home, "status", "--json").stdout)
    assert not any(target["is_behind"] for target in status["targets"])
