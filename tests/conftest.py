"""Fixtures of every folder: temporary homes, real material, a browser, one built company.

Markers: ``material`` and ``browser`` skip with a reason where their part is missing, and fail
where REQUIRE_MATERIAL=1 or REQUIRE_BROWSER=1 says that it must be there. ``long`` runs only when
asked for with ``-m``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml

from governance.home import HOME_VARIABLE, Home
from governance.keys import make_keys
from tests.servers import mariadb, postgres

__all__ = ["mariadb", "postgres"]  # fixtures of all folders: one server a session

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "data"
MATERIAL = Path(os.environ.get("THROUGHLINE_MATERIAL") or ROOT.parent / "shared" / "material")
# Those with homes of their own that whole jobs run in.
LONGEST = (
    "tests/end_to_end/",
    "tests/browser/",
    "tests/orchestration/test_backup",
    "tests/orchestration/dagster/test_targets",
    "tests/dbt_project/",
    "tests/properties/",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC_BROWSER = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"

# The same examples on every machine; `make test-long` draws new ones.
hypothesis.settings.register_profile("test", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2000, print_blob=True)

MINIMAL: Mapping[str, Any] = {
    "company": "test",
    "sources": [
        {
            "name": "web",
            "kind": "landing",
            "format": "native",
            "path": "landing/web/",
            "surface": "web",
            "trust": "server",
            "lawful_basis": "contract",
        }
    ],
}


def find_browser() -> str | None:
    """The Chromium or Chrome of this machine, THROUGHLINE_BROWSER first."""
    named = os.environ.get("THROUGHLINE_BROWSER") or next(
        filter(None, map(shutil.which, BROWSERS)), None
    )
    return named or (MAC_BROWSER if Path(MAC_BROWSER).exists() else None)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the examples: fixed ones, or fresh and many when the long tests were asked for."""
    hypothesis.settings.load_profile("long" if _asks_for_long(config) else "test")
    # a shell starts what runs in its background without Ctrl-C, and children would inherit that
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long tests unless ``-m`` speaks of them; begin with what takes longest.

    Two processes take file after file in this order: a long one at the end would keep one waiting.
    """
    items.sort(key=lambda item: not item.nodeid.startswith(LONGEST))
    if _asks_for_long(config):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail where REQUIRE_* is set, what this machine has no part for."""
    if item.get_closest_marker("material") and not MATERIAL.is_dir():
        skip_unless_required(
            "MATERIAL", f"no real material at {MATERIAL} (THROUGHLINE_MATERIAL=...)"
        )
    if item.get_closest_marker("browser") and find_browser() is None:
        skip_unless_required("BROWSER", "no Chromium on this machine (THROUGHLINE_BROWSER=...)")


def skip_unless_required(part: str, reason: str) -> None:
    """End the test: a skip, or a failure when REQUIRE_<part>=1."""
    if os.environ.get(f"REQUIRE_{part}") == "1":
        pytest.fail(f"REQUIRE_{part}=1, but there is {reason}", pytrace=False)
    pytest.skip(f"there is {reason}")


def _asks_for_long(config: pytest.Config) -> bool:
    return "long" in (config.getoption("markexpr") or "")


@pytest.fixture(autouse=True, scope="session")
def _alone() -> Iterator[None]:
    """No home of the developer's shell, no telemetry."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (HOME_VARIABLE, "DAGSTER_HOME"):
            patch.delenv(name, raising=False)
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
        patch.setenv("GX_ANALYTICS_ENABLED", "false")
        yield


@pytest.fixture
def make_home(tmp_path: Path) -> Callable[..., Home]:
    """Build a home below ``tmp_path``.

    ``make_home(config, contracts=..., name=..., keys=...)``: ``config`` is the text or the tree
    of throughline.yml, by default one trusted native source ``web``; ``contracts`` a folder.
    """

    def build(
        config: str | Mapping[str, Any] = MINIMAL,
        *,
        contracts: Path | None = None,
        name: str = "home",
        keys: bool = True,
    ) -> Home:
        home = Home(tmp_path / name)
        home.root.mkdir(parents=True)
        text = config if isinstance(config, str) else yaml.safe_dump(dict(config), sort_keys=False)
        home.config.write_text(text, encoding="utf-8")
        if contracts:
            shutil.copytree(contracts, home.contracts)
        home.contracts.mkdir(exist_ok=True)
        for source in (yaml.safe_load(text) or {}).get("sources") or ():
            if "://" not in str(source.get("path", "://")):
                (home.root / source["path"]).mkdir(parents=True, exist_ok=True)
        if keys:
            make_keys(home)
        return home

    return build


def copy_demo(root: Path) -> Home:
    """A fresh home with the sample company's configuration and its own keys."""
    home = Home(root)
    home.root.mkdir(parents=True)
    for name in ("throughline.yml", "exchange_rates.csv"):
        shutil.copy(DEMO / name, home.root / name)
    shutil.copytree(DEMO / "contracts", home.contracts)
    make_keys(home)
    return home


def sample_company(factory: pytest.TempPathFactory, name: str, *, persons: int, days: int) -> Home:
    """A sample company after one hourly run: the first process that asks makes it for all."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home, made = Home(folder / "home"), folder / "made"
        if not made.exists():
            shutil.rmtree(home.root, ignore_errors=True)
            copy_demo(home.root)
            throughline(
                home, "synth", "--persons", f"{persons}", "--days", f"{days}", "--seed", "7"
            )
            throughline(home, "run", "hourly")
            made.touch()
    return home


@pytest.fixture
def demo_home(tmp_path: Path) -> Home:
    """The sample company's home with keys and without events."""
    return copy_demo(tmp_path / "demo")


def throughline(
    home: Home, *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in its own process."""
    program = Path(sys.executable).with_name("throughline")
    command = [str(program), "--home", str(home.root), *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False
    )
    if check and done.returncode:
        raise AssertionError(
            f"throughline {' '.join(arguments)} ended with {done.returncode}\n"
            f"{done.stdout}\n{done.stderr}"
        )
    return done


@pytest.fixture(scope="session", name="throughline")
def _throughline() -> Callable[..., subprocess.CompletedProcess[str]]:
    """``throughline(home, "load", "--json", check=False)``: the command line in its own process."""
    return throughline


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A small sample company after one hourly run, published. Read it; never write to it.

    TEST_COMPANY=data uses a home that was run already, the demo's for instance.
    """
    if built := os.environ.get("TEST_COMPANY"):
        return Home(Path(built).resolve())
    return sample_company(tmp_path_factory, "company", persons=120, days=14)


@pytest.fixture(scope="session")
def published(company: Home) -> Path:
    """The published DuckDB file of ``company``."""
    return company.published / "analyst" / "current" / "analytics.duckdb"


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of real payloads; for tests marked ``material``."""
    return MATERIAL


@pytest.fixture(scope="session")
def browser_path() -> str:
    """The executable of the browser; for tests marked ``browser``."""
    found = find_browser()
    assert found, "mark the test with pytest.mark.browser"
    return found
