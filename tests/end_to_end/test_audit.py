"""A row that is not what raw gives: the nightly run finds it and publishes nothing."""

from __future__ import annotations

import duckdb
import pytest

from governance.home import Home
from orchestration.publishing import current_version, read_manifest
from orchestration.publishing.store import role_folder
from tests.conftest import throughline


@pytest.mark.long
def test_a_nightly_run_does_not_publish_an_altered_row_until_all_is_built_from_raw(
    twin: Home,
) -> None:
    before = current_version(twin)
    with duckdb.connect(str(twin.warehouse)) as warehouse:
        warehouse.execute("update marts.fct_sessions set views = views + 1000")

    stopped = throughline(twin, "run", "nightly", check=False)
    assert stopped.returncode == 3, stopped.stdout + stopped.stderr
    assert "marts/dim_persons audit" in stopped.stderr
    assert "fct_sessions session_id=s_" in stopped.stderr
    assert "input: " in stopped.stderr
    assert current_version(twin) == before
    refused = throughline(twin, "publish", check=False)
    assert refused.returncode == 3
    assert "an audit found" in refused.stderr
    assert "throughline build --full-refresh" in refused.stderr

    throughline(twin, "build", "--full-refresh")
    throughline(twin, "publish")
    folder = role_folder(twin)
    # the published rows are those of before: nothing else had changed
    after = current_version(twin)
    assert after is not None
    assert before is not None
    manifests = [read_manifest(folder / version) for version in (before, after)]
    assert manifests[0] is not None
    assert manifests[1] is not None
    assert manifests[0].content_digest == manifests[1].content_digest


@pytest.mark.parametrize(
    ("arguments", "code", "fix"),
    [
        (["audit", "--full", "--persons", "3"], 2, "Give one of them"),
        (["audit", "--persons", "0"], 2, ""),
        (["audit"], 1, "throughline build"),
    ],
)
def test_mistakes_name_the_fix(with_event: Home, arguments: list[str], code: int, fix: str) -> None:
    done = throughline(with_event, *arguments, check=False)
    assert done.returncode == code
    assert fix in done.stderr
    assert "Traceback" not in done.stderr
