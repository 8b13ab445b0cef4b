"""Alerts reach a real server on the loopback: failure once, recovery once, heartbeat every time."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import pytest

from governance.config import load_config
from governance.errors import UserError
from governance.home import Home
from orchestration.alerts import Message, beat, post
from orchestration.defs.alerts import alert_sensors
from tests.conftest import MINIMAL

SECRET = "s3cret-path"


@dataclass
class Receiver:
    """What came in; ``statuses`` are answered first, then 200."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    bodies: list[dict] = field(default_factory=list)
    beats: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    seen = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = seen.statuses.pop(0) if seen.statuses else 200
            if status == 200:
                seen.bodies.append(json.loads(body))
            self.answer(status)

        def do_GET(self) -> None:
            seen.beats += 1
            self.answer(200)

        def answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield seen
    server.shutdown()
    server.server_close()


MESSAGE = Message("failed", "test", "hourly", "r1", "it failed")


def test_a_message_arrives_as_json(receiver: Receiver) -> None:
    assert post(receiver.address, MESSAGE)
    assert receiver.bodies == [
        {"event": "failed", "company": "test", "job": "hourly", "run_id": "r1", "text": "it failed"}
    ]


def test_a_server_that_recovers_is_tried_again(receiver: Receiver) -> None:
    receiver.statuses = [503, 503]
    assert post(receiver.address, MESSAGE, pause=0)
    assert len(receiver.bodies) == 1


def test_tries_are_bounded_and_the_address_stays_secret(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.statuses = [500] * 10
    with caplog.at_level(logging.DEBUG):
        assert not post(receiver.address, MESSAGE, tries=3, pause=0)
    assert len(receiver.statuses) == 7
    assert caplog.text.count("status 500") == 3
    assert SECRET not in caplog.text


def test_nobody_listening_is_not_an_error() -> None:
    assert not beat("http://127.0.0.1:9/" + SECRET, tries=2, pause=0)


def test_a_file_address_is_refused_without_naming_it() -> None:
    with pytest.raises(UserError) as refused:
        post("file:///etc/passwd", MESSAGE)
    assert "/etc/passwd" not in str(refused.value)


@pytest.mark.parametrize(
    ("error", "told", "untold"),
    [
        (ValueError("no anna@example.com"), "Step work: ValueError. Run ", "anna"),
        (UserError("The disk is full."), "Step work: governance.errors.UserError: The disk", "Run"),
    ],
    ids=["any", "ours"],
)
def test_failure_is_told_once_then_recovery_once_and_success_beats(
    receiver: Receiver,
    make_home: Callable[..., Home],
    monkeypatch: pytest.MonkeyPatch,
    instance: dg.DagsterInstance,
    error: Exception,
    told: str,
    untold: str,
) -> None:
    monkeypatch.setenv("HOOK", receiver.address)
    home = make_home({**MINIMAL, "alerts": {"webhook": "env:HOOK", "heartbeat": "env:HOOK"}})
    must_fail = [True]

    @dg.op
    def work() -> None:
        if must_fail[0]:
            raise error

    @dg.job
    def hourly() -> None:
        work()

    failure, success = alert_sensors(home, load_config(home), [hourly])

    def run(*, fails: bool) -> None:
        must_fail[0] = fails
        result = hourly.execute_in_process(instance=instance, raise_on_error=False)
        event = result.get_run_failure_event() if fails else result.get_run_success_event()
        context = dg.build_run_status_sensor_context(
            sensor_name="any",
            dagster_event=event,
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        )
        if fails:
            failure(context.for_run_failure())
        else:
            success(context)

    run(fails=False)
    assert (receiver.bodies, receiver.beats) == ([], 1)
    run(fails=True)
    run(fails=True)
    assert [body["event"] for body in receiver.bodies] == ["failed"]
    assert told in receiver.bodies[0]["text"]
    assert untold not in receiver.bodies[0]["text"]
    assert receiver.beats == 1
    run(fails=False)
    run(fails=False)
    assert [body["event"] for body in receiver.bodies] == ["failed", "recovered"]
    assert receiver.beats == 3


def test_without_addresses_there_are_no_alert_sensors(make_home: Callable[..., Home]) -> None:
    home = make_home()
    assert alert_sensors(home, load_config(home), []) == []
