import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from governance.config import load_config
from governance.errors import ThroughlineError, WarehouseBusyError
from governance.home import Home
from governance.progress import silent
from governance.warehouse import lock_holder
from orchestration import dbt


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A target folder of its own, not the one inside the project."""
    folder = tmp_path / "target"
    folder.mkdir()
    monkeypatch.setattr(dbt, "target_folder", lambda home: folder)
    return folder


def write_results(target: Path, *results: dict) -> None:
    nodes = {
        "model.throughline.fct_events": {
            "name": "fct_events",
            "original_file_path": "models/marts/fct_events.sql",
        },
        "test.throughline.ledger": {
            "name": "ledger",
            "original_file_path": "tests/ledger.sql",
            "description": "Add a rule:\n`revenue: {source: NAME}`.",
            "compiled_path": "dbt_project/target/compiled/ledger.sql",
        },
    }
    (target / "manifest.json").write_text(json.dumps({"nodes": nodes, "unit_tests": {}}))
    (target / "run_results.json").write_text(json.dumps({"results": list(results)}))


def result(unique_id: str, status: str, message: str | None = None) -> dict:
    return {"unique_id": f"{unique_id}", "status": status, "message": message}


def test_arguments_are_the_same_whatever_the_order_of_variables(make_home) -> None:
    home = make_home()
    config = load_config(home)
    arguments = dbt.dbt_arguments("build", home, config, full_refresh=True)
    assert arguments[0] == "build"
    assert "--full-refresh" in arguments
    assert "--full-refresh" not in dbt.dbt_arguments("build", home, config)
    variables = arguments[arguments.index("--vars") + 1]
    assert json.loads(variables)["tl_company"] == config.company
    assert variables == json.dumps(json.loads(variables), sort_keys=True)


def test_unit_tests_of_the_code_are_no_part_of_a_homes_build(make_home) -> None:
    home = make_home()
    arguments = dbt.dbt_arguments("build", home, load_config(home))
    assert arguments[arguments.index("--exclude-resource-type") + 1] == "unit_test"
    assert "--exclude-resource-type" not in dbt.dbt_arguments("parse", home, load_config(home))


def test_each_home_has_its_own_target_inside_the_project(tmp_path: Path) -> None:
    one, other = (dbt.target_folder(Home(tmp_path / name)) for name in ("one", "other"))
    assert one != other
    assert one == dbt.target_folder(Home(tmp_path / "one"))
    assert one.is_relative_to(dbt.PROJECT / "target")


def test_dbts_log_is_short_unless_somebody_asks_for_more(
    make_home, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home()
    monkeypatch.delenv("DBT_LOG_LEVEL_FILE", raising=False)
    assert dbt.dbt_environment(home, load_config(home))["DBT_LOG_LEVEL_FILE"] == "info"
    monkeypatch.setenv("DBT_LOG_LEVEL_FILE", "debug")
    assert dbt.dbt_environment(home, load_config(home))["DBT_LOG_LEVEL_FILE"] == "debug"


def test_a_parse_is_shared_once_and_a_missing_one_costs_nothing(tmp_path: Path) -> None:
    done, folder = tmp_path / "done", tmp_path / "folder"
    dbt.share_parse(done, folder)
    assert list(folder.iterdir()) == []
    done.mkdir()
    (done / "partial_parse.msgpack").write_bytes(b"first")
    dbt.share_parse(done, folder)
    (done / "partial_parse.msgpack").write_bytes(b"second")
    dbt.share_parse(done, folder)
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [
        ("partial_parse.msgpack", b"first")
    ]


def test_the_environment_names_the_warehouse_and_its_limits(make_home) -> None:
    home = make_home()
    environment = dbt.dbt_environment(home, load_config(home))
    assert environment["THROUGHLINE_WAREHOUSE"] == str(home.warehouse)
    assert environment["THROUGHLINE_HOME"] == str(home.root)
    assert environment["THROUGHLINE_MEMORY_LIMIT"].endswith("MB")


def test_a_report_counts_models_and_tests_and_says_where_to_look(
    target: Path, tmp_path: Path
) -> None:
    write_results(
        target,
        result("model.throughline.fct_events", "success"),
        result("test.throughline.ledger", "fail", "Got 2 results, configured to fail if != 0"),
        result("test.throughline.other", "warn", "Got 1 result"),
        result("unit_test.throughline.midnight", "pass"),
        result("model.throughline.later", "skipped"),
    )
    report = dbt.read_report(Home(tmp_path), seconds=1.0)
    assert (report.models, report.tests, report.warnings, report.skipped) == (1, 3, 1, 1)
    (failure,) = report.failures
    assert (failure.kind, failure.name) == ("test", "ledger")
    assert failure.message.startswith("Got 2 results")
    assert failure.message.endswith(". Add a rule: `revenue: {source: NAME}`.")
    assert failure.path == str(dbt.PROJECT.parent / "dbt_project/target/compiled/ledger.sql")


def test_the_log_becomes_progress_and_errors_are_remembered(make_home) -> None:
    seen = []
    lines = [
        {"info": {"name": "LogModelResult", "level": "info", "msg": "ok"}},
        {"info": {"name": "MainEncounteredError", "level": "error", "msg": "Parsing Error"}},
    ]
    lines[0]["data"] = {"index": 3, "total": 45}
    text = "\n".join([json.dumps(line) for line in lines] + ["Segmentation fault", ""])
    errors = dbt._follow(io.StringIO(text), make_home(), lambda *given: seen.append(given))
    assert ("building and testing", 3, 45) in seen
    assert errors == ["Parsing Error", "Segmentation fault"]


def test_a_full_disk_is_not_lost_among_what_dbt_says_about_its_own_log(make_home) -> None:
    full = "OSError: [Errno 28] No space left on device"
    text = "\n".join([full, *(f"  File {number}" for number in range(100))])
    assert dbt._follow(io.StringIO(text), make_home(), silent)[0] == full


def child_that(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let ``script`` stand in for dbt."""
    start = subprocess.Popen

    def started(command: list[str], **settings: object) -> subprocess.Popen:
        return start([sys.executable, "-c", textwrap.dedent(script)], **settings)

    monkeypatch.setattr(dbt.subprocess, "Popen", started)


def test_dbt_that_ends_without_a_verdict_is_our_fault_with_its_last_words(
    make_home, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(target)  # of the build before: must not be taken for this one's
    child_that(monkeypatch, "print('out of memory'); raise SystemExit(137)")
    home = make_home()
    with pytest.raises(ThroughlineError, match="out of memory") as error:
        dbt.run_dbt_build(home, load_config(home))
    assert error.value.exit_code == 4


def test_a_file_opened_by_another_program_is_said_so(
    make_home, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child_that(monkeypatch, "print('IO Error: Could not set lock on file \"w\": held (PID 42)')")
    home = make_home()
    with pytest.raises(WarehouseBusyError, match="42"):
        dbt.run_dbt_build(home, load_config(home))


def test_dbt_holds_the_lock_and_ends_with_a_parent_that_is_killed(make_home) -> None:
    home = make_home()
    note, child = home.root / "note", home.root / "child.py"
    child.write_text(
        textwrap.dedent(f"""
            import os, threading, time
            from pathlib import Path
            from orchestration.dbt_child import _end_with
            threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
            Path({str(note)!r}).write_text(f"{{os.getpid()}} ")
            time.sleep(120)
        """)
    )
    parent_script = f"""
        import sys
        from pathlib import Path
        from governance.config import load_config
        from governance.home import Home
        from governance.warehouse import warehouse_lock
        from orchestration import dbt
        start = dbt.subprocess.Popen
        dbt.subprocess.Popen = lambda command, **given: start(
            [sys.executable, {str(child)!r}], **given
        )
        home = Home(Path({str(home.root)!r}))
        with warehouse_lock(home, "build"):
            dbt.run_dbt_build(home, load_config(home))
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(parent_script)]) as parent:
        until(lambda: note.exists() and note.read_text().endswith(" "))
        pid = int(note.read_text())
        os.kill(pid, signal.SIGSTOP)  # a child that has not noticed yet
        parent.kill()
        parent.wait()
        assert lock_holder(home) is not None
        os.kill(pid, signal.SIGCONT)
        until(lambda: lock_holder(home) is None)


def until(happened, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
