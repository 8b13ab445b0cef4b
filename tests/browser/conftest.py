"""The Dagster UI of the sample company, and a page of headless Chromium to look at it with."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from governance.home import Home
from orchestration.instance import dagster_environment

ROOT = Path(__file__).resolve().parents[2]
STARTS_WITHIN_SECONDS = 300  # 15 on an idle machine; definitions cost CPU seconds
WAIT_MILLISECONDS = 60_000
LOCAL = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/server_info", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
    pytest.fail(f"the Dagster UI did not start at {address}; its log ends with\n{tail}")


@pytest.fixture(scope="session")
def ui(company: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the UI of ``company``, read-only as analysts get it."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("webserver") / "log"
    command = [sys.executable, "-m", "dagster_webserver", "--read-only", "--port", str(port)]
    with log.open("wb") as sink:
        server = subprocess.Popen(
            [*command, "-m", "orchestration.definitions"],
            cwd=ROOT,
            env=dagster_environment(company),
            stdout=sink,
            stderr=sink,
        )
        try:
            _wait_for(server, address, log)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture
def page(browser_path: str) -> Iterator[Page]:
    """A fresh page; the test fails when it asks any other machine for anything."""
    strangers: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.set_default_timeout(WAIT_MILLISECONDS)
        expect.set_options(timeout=WAIT_MILLISECONDS)
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith(LOCAL) else strangers.append(request.url)
            ),
        )
        yield page
        browser.close()
    assert not strangers, f"the UI asked other machines: {strangers}"


@pytest.fixture
def keep(page: Page) -> Callable[[str], None]:
    """``keep(name)`` writes what the page shows to the folder SCREENSHOTS, when that is set."""

    def keep(name: str) -> None:
        if folder := os.environ.get("SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")

    return keep
