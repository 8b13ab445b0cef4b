"""The files of ``deploy/`` are valid, listen on loopback and hold no secret."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.deploy.units import UNITS, unit, value_of

DEPLOY = ROOT / "deploy"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_unit(path: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not on this machine")
    for source in UNITS:
        text = source.read_text().replace(
            "/opt/throughline/.venv/bin", str(Path(sys.executable).parent)
        )
        (tmp_path / source.name.replace("@", "@acme")).write_text(text)
    checked = tmp_path / path.name.replace("@", "@acme")
    done = subprocess.run(
        [program, "verify", "--man=no", str(checked)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "acme" not in done.stderr, done.stderr  # warnings about our unit


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_hardened_and_comes_back(path: Path) -> None:
    settings = unit(path)
    assert value_of(settings, "User") == "throughline"
    assert value_of(settings, "Restart") == "always"
    assert value_of(settings, "ProtectSystem") == "strict"
    assert value_of(settings, "NoNewPrivileges") == "yes"
    assert value_of(settings, "CapabilityBoundingSet") == ""
    assert value_of(settings, "ReadWritePaths").startswith("/srv/throughline/%i ")
    assert value_of(settings, "EnvironmentFile") == "-/etc/throughline/%i.env"


def test_the_ui_listens_on_loopback_and_starts_nothing() -> None:
    command = value_of(unit(UNITS[1]), "ExecStart")
    assert "serve webserver --host 127.0.0.1" in command
    assert "--allow-launch" not in command


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def test_docker_accepts_the_compose_file() -> None:
    docker = shutil.which("docker")
    found = docker and subprocess.run(
        [docker, "compose", "version"], capture_output=True, check=False
    )
    if not found or found.returncode:
        pytest.skip("docker compose is not on this machine")
    done = subprocess.run(
        [docker, "compose", "-f", "deploy/compose.yaml", "--profile", "postgres", "config", "-q"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", "COMPANY_HOME": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_service_comes_back_and_is_watched(compose: dict[str, Any]) -> None:
    known = {"daemon", "webserver", "postgres"}
    assert set(compose["services"]) == known
    for service in compose["services"].values():
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        assert service["image"]
    assert compose["services"]["postgres"]["profiles"] == ["postgres"]
    for name in ("daemon", "webserver"):
        service = compose["services"][name]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["hostname"] == f"throughline-{name}"
        assert service["volumes"][0]["target"] == "/srv/home"
    assert "--allow-launch" not in compose["services"]["webserver"]["command"]


def test_ports_are_on_loopback_only(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_file_holds_a_secret(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|URL|TOKEN", name):
                assert re.fullmatch(r"\$\{\w+:-\}", value), name
    for path in DEPLOY.rglob("*.example"):
        for line in path.read_text().splitlines():
            name, _, value = line.lstrip("# ").partition("=")
            if re.fullmatch(r"[A-Z_]*(PASSWORD|SECRET|KEY|ACCESS_KEY_ID)", name):
                assert value == "", f"{path}: {name}"


def test_the_image_has_every_folder_of_the_program() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    for name in ("governance", "ingestion", "orchestration", "dbt_project"):
        assert f"COPY {name} {name}" in text
        assert f"!{name}" in (DEPLOY / "Dockerfile.dockerignore").read_text()
    assert "USER 1000:1000" in text
    assert "data" not in (DEPLOY / "Dockerfile.dockerignore").read_text().split()


def test_the_proxy_asks_for_a_login_over_tls() -> None:
    text = (DEPLOY / "nginx.conf").read_text()
    tls = text[text.index("listen 443 ssl") :]
    assert "auth_basic_user_file" in tls
    assert "proxy_pass         http://127.0.0.1:3000;" in tls
    assert "proxy_pass" not in text[: text.index("listen 443 ssl")]
    assert "TLSv1.2 TLSv1.3" in tls
