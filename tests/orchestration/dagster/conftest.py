"""One graph for the tests that only look at it: building it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from governance.home import Home
from orchestration.definitions import build_definitions
from tests.conftest import copy_demo


@pytest.fixture(scope="session")
def graph_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The sample company's home, without events."""
    return copy_demo(tmp_path_factory.mktemp("graph") / "home")


@pytest.fixture(scope="session")
def definitions(graph_home: Home) -> dg.Definitions:
    """The definitions of the sample company."""
    return build_definitions(graph_home)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance of its own, in memory."""
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral
