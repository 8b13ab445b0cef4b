"""What a user gets wrong or finds in the way: a message with the fix, and nothing is lost."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable

from governance.home import Home
from orchestration.publishing import current_file
from tests.conftest import MINIMAL
from tests.end_to_end.commands import changed_command, command, ended, other_process, waiting
from tests.end_to_end.conftest import bytes_of, event_line

HOLD_THE_LOCK = """
    import pathlib, sys, time
    from governance.home import Home
    from governance.warehouse import warehouse_lock
    with warehouse_lock(Home(pathlib.Path(sys.argv[1])), "compaction"):
        print("ready", flush=True)
        sys.stdin.readline()
"""
HOLD_THE_FILE = """
    import duckdb, sys, time
    connection = duckdb.connect(sys.argv[1])
    print("ready", flush=True)
    time.sleep(600)
"""
STEAL_AN_EVENT = """
    from ingestion.batches import SpanReader
    honest = SpanReader._flush
    stolen = []

    def thief(reader, tally):
        accepted = [row for row in reader._events if "accepted" in row]
        if accepted and not stolen:
            stolen.append(accepted[0])
            reader._events.remove(accepted[0])  # counted by nobody: tallies come from what is left
            tally.lines -= 1
        return honest(reader, tally)

    SpanReader._flush = thief
"""
BREAK_INSIDE = """
    from ingestion.batches import SpanReader

    def broken(reader, tally):
        raise ZeroDivisionError("of all things")

    SpanReader._flush = broken
"""


def test_malformed_lines_and_an_empty_file_are_counted_and_the_rest_is_loaded(
    with_event: Home,
) -> None:
    folder = with_event.landing / "web"
    (folder / "b.jsonl").write_bytes(
        b'{"event_name":\n\xff\xfe\x00\n[1, 2]\n{"a": 1, "a": 2}\n' + event_line("e2").encode()
    )
    (folder / "empty.jsonl").touch()
    first = command(with_event, "load")
    assert first.code == 0, first.said
    assert "6 records of 2 files; 2 accepted, 0 stripped, 4 quarantined" in first.said
    assert "duplicate_key: 1" in first.said
    again = command(with_event, "load")
    assert again.code == 0
    assert "web: nothing new" in again.said


def test_an_unknown_key_and_a_literal_secret_are_named_and_the_secret_is_not_shown(
    make_home: Callable[..., Home],
) -> None:
    secret = "https://hooks.example.com/T0/hunter2"
    home = make_home({**MINIMAL, "curency": "EUR", "alerts": {"webhook": secret}})
    for arguments in (["load"], ["config", "check"], ["run", "hourly", "--json"]):
        shown = command(home, *arguments)
        assert shown.code == 1, shown.said
        assert "curency" in shown.said
        assert "currency" in shown.said
        assert "throughline.yml" in shown.said
        assert "env:" in shown.said
        assert "hunter2" not in shown.said
        assert "Traceback" not in shown.said
    assert not home.warehouse.exists()


def test_a_missing_landing_folder_comes_with_the_command_that_makes_it(with_event: Home) -> None:
    folder = with_event.landing / "web"
    folder.rename(folder.with_name("elsewhere"))
    command(with_event, "load").refused(f"mkdir -p {folder}")
    folder.with_name("elsewhere").rename(folder)
    assert "1 accepted" in command(with_event, "load").said


def test_a_held_lock_is_waited_for_and_named_and_waiting_can_be_stopped(with_event: Home) -> None:
    with (
        other_process(HOLD_THE_LOCK, str(with_event.root)) as holder,
        waiting(with_event, "load") as impatient,
        waiting(with_event, "load") as patient,
    ):
        for process in (impatient, patient):
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith(f"Waiting for the warehouse: process {holder.pid} (compaction")
        impatient.send_signal(signal.SIGINT)
        ended(impatient).refused("Stopped.", code=130)
        holder.communicate("\n")
        assert "1 accepted" in ended(patient).said


def test_a_warehouse_somebody_has_open_is_refused_with_his_process_and_the_published_copy(
    twin: Home,
) -> None:
    before = bytes_of(twin)
    with other_process(HOLD_THE_FILE, str(twin.warehouse)) as holder:
        for step in ("load", "build", "publish"):
            command(twin, step).refused(f"process {holder.pid}", str(current_file(twin)))
    assert bytes_of(twin) == before
    assert "Nothing changed" in command(twin, "publish").said


def test_other_keys_than_the_warehouses_are_refused_by_every_step(
    twin: Home, make_home: Callable[..., Home]
) -> None:
    before = bytes_of(twin)
    twin.keys.rename(twin.root / "right")
    shutil.copytree(make_home().keys, twin.keys)
    for step in ("load", "build", "publish"):
        command(twin, step).refused("was made with other keys", f"Restore the {twin.keys}")
    assert bytes_of(twin) == before
    shutil.rmtree(twin.keys)
    (twin.root / "right").rename(twin.keys)
    assert "Nothing changed" in command(twin, "publish").said


def test_a_fault_of_ours_names_its_log_and_the_next_load_works(with_event: Home) -> None:
    broken = changed_command(with_event, BREAK_INSIDE, "load")
    (log,) = with_event.logs.glob("throughline-*.log")
    broken.refused("fault of Throughline", str(log), code=4)
    assert "ZeroDivisionError: of all things" in log.read_text()
    assert "1 accepted" in command(with_event, "load").said


def test_a_loader_that_steals_is_caught_by_the_ledger(twin: Home) -> None:
    before = bytes_of(twin)
    lines = [event_line(f"new{number}") for number in range(5)]
    (twin.landing / "backend" / "new.jsonl").write_text("".join(lines))
    stolen = changed_command(twin, STEAL_AN_EVENT, "run", "hourly")
    stolen.refused(
        "assert_every_received_record_has_one_disposition",
        "The published copy stays as it was",
        code=3,
    )
    assert bytes_of(twin) == before
    command(twin, "publish").refused("every_received_record", code=3)
