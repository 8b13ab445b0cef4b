"""From an empty folder to a scheduled run, as ``deploy/README.md`` says.

The commands of its list that need no root run as they stand, then the units' own ``ExecStart``
lines; only paths are replaced. Long: a schedule ticks at full minutes.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import psutil
import pytest
import yaml

from governance.home import Home
from orchestration.launcher import BOOT_TAG, HOST_TAG
from orchestration.publishing import current_version
from tests.conftest import ROOT
from tests.deploy.units import UNITS, commands, unit, value_of

PATIENCE_SECONDS = 900
# Of the list: what needs root, and what has happened where this test runs.
NEEDS_ROOT = (
    "sudo apt-get",
    "sudo useradd",
    "sudo git clone",
    "sudo make",
    "sudo install",
    "sudo cp",
    "sudo systemctl",
)
EVENT = {
    "event_id": "a",
    "event_name": "page_view",
    "event_type": "page",
    "occurred_at": "2026-04-01T10:00:00Z",
    "received_at": "2026-04-01T10:00:00Z",
    "subject": {"user_id": "u_1"},
    "context": {"surface": "web"},
    "consent": {"analytics": True},
}


class Machine:
    """A temporary folder that stands for /srv and /etc, and the services that were started."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home = Home(root / "srv" / "acme")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.services: list[psutil.Process] = []

    def here(self, text: str) -> str:
        for there, here in (
            ("%i", "acme"),
            ("/opt/throughline/.venv/bin", str(Path(sys.executable).parent)),
            ("/opt/throughline", str(ROOT)),
            ("/srv/throughline", str(self.root / "srv")),
            ("/etc/throughline", str(self.root / "etc")),
        ):
            text = text.replace(there, here)
        return text

    def install(self) -> list[str]:
        """Run what needs no root; returns the commands that ran."""
        (self.root / "srv").mkdir()
        (self.root / "etc").mkdir()
        ran = []
        for line in commands("On one machine, with systemd"):
            if line.startswith(NEEDS_ROOT):
                continue
            assert line.startswith("sudo -u throughline "), line
            command = self.here(line.removeprefix("sudo -u throughline "))
            subprocess.run(shlex.split(command), check=True, cwd=self.root)
            ran.append(command)
        return ran

    def start(self, path: Path) -> psutil.Process:
        settings = unit(path)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.root)}
        for pair in shlex.split(self.here(value_of(settings, "Environment"))):
            name, _, value = pair.partition("=")
            environment[name] = value
        file = Path(self.here(value_of(settings, "EnvironmentFile")).removeprefix("-"))
        for line in file.read_text().splitlines():
            name, equals, value = line.partition("=")
            if equals and not line.startswith("#"):
                environment[name] = value
        if "PYTHONPATH" in os.environ:
            environment["PYTHONPATH"] = os.environ["PYTHONPATH"]
        with (self.root / f"{path.name}.log").open("ab") as log:
            process = subprocess.Popen(
                shlex.split(self.here(value_of(settings, "ExecStart"))),
                cwd=self.here(value_of(settings, "WorkingDirectory")),
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started = psutil.Process(process.pid)
        self.services.append(started)
        return started

    def wait_for(self, what: str, look: Callable[[], Any]) -> Any:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            if (found := look()) is not None:
                return found
            for service in self.services:
                assert service.is_running(), self.logs()
                assert service.status() != psutil.STATUS_ZOMBIE, self.logs()
            time.sleep(0.5)
        pytest.fail(f"no {what} within {PATIENCE_SECONDS} s:\n{self.logs()}")

    def logs(self) -> str:
        return "\n".join(path.read_text()[-3000:] for path in self.root.glob("*.log"))

    def stop(self) -> tuple[list[psutil.Process], list[psutil.Process]]:
        """SIGTERM to the services by their pids, as systemd does; returns who ended and who not."""
        everyone = [
            process
            for service in self.services
            if service.is_running()
            for process in (service, *service.children(recursive=True))
        ]
        for service in self.services:
            if service.is_running():
                service.terminate()
        return psutil.wait_procs(everyone, timeout=60)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    yield machine
    _, left = machine.stop()
    for process in left:
        process.kill()


@pytest.mark.long
def test_from_an_empty_folder_to_a_scheduled_run(machine: Machine) -> None:
    ran = machine.install()
    assert [command.split()[-1] for command in ran] == [
        str(machine.home.root),
        "check",
        "hourly",
    ]
    first = current_version(machine.home)
    assert first is not None
    example = (ROOT / "deploy" / "systemd" / "throughline.env.example").read_text()
    settings = example.replace("THROUGHLINE_PORT=3000", f"THROUGHLINE_PORT={machine.port}")
    (machine.root / "etc" / "acme.env").write_text(settings)
    config = yaml.safe_load(machine.home.config.read_text())
    config["schedules"] = {"hourly": "* * * * *", "nightly": "0 0 1 1 *"}
    machine.home.config.write_text(yaml.safe_dump(config))
    (machine.home.landing / "web" / "a.jsonl").write_text(json.dumps(EVENT) + "\n")

    for path in UNITS:
        machine.start(path)
    address = f"http://127.0.0.1:{machine.port}"

    def answers() -> dict | None:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5) as reply:
                return json.load(reply)
        except OSError:
            return None

    assert "dagster_version" in machine.wait_for("answer of the UI", answers)
    with dg.DagsterInstance.from_config(str(machine.home.dagster)) as instance:

        def scheduled() -> dg.DagsterRun | None:
            runs = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
            return next((run for run in runs if "dagster/schedule_name" in run.tags), None)

        run = machine.wait_for("scheduled run", scheduled)
        assert run.tags[HOST_TAG]
        assert run.tags[BOOT_TAG]
    machine.wait_for("new version", lambda: current_version(machine.home) != first or None)
    ended, left = machine.stop()
    assert len(ended) >= 2
    assert [" ".join(process.cmdline()) for process in left] == []
