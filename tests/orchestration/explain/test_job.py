"""The Dagster job: the answer and the picture are on the page of its run."""

from __future__ import annotations

import dagster as dg
import pytest

from governance.home import Home
from orchestration.defs.explain import explain_job
from orchestration.resources import HomeResource


def execute(home: Home, *identifiers: str, **options: bool) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return explain_job().execute_in_process(
            run_config={"ops": {"explain": {"config": {"identifiers": list(identifiers)}}}},
            resources={"home": HomeResource(root=str(home.root))},
            instance=instance,
            **options,
        )


def test_the_run_shows_the_answer_and_a_picture(home: Home) -> None:
    result = execute(home, "user_id:anna", "user_id:ben")
    [output] = [e for e in result.all_events if e.is_successful_output]
    metadata = output.step_output_data.metadata
    answer = str(metadata["answer"].value)
    assert "so it is set aside (conflict)" in answer
    assert str(metadata["component"].value).startswith("![Identifiers](data:image/png;base64,")


@pytest.mark.parametrize(
    ("identifiers", "said"),
    [
        (["user_id:nobody-knows"], "not in the published copy"),
        (["email:ada@example.com"], "kept with the run"),
        ([], "One identifier can be explained"),
    ],
)
def test_a_question_that_can_not_be_answered_fails_with_its_fix(
    home: Home, identifiers: list[str], said: str
) -> None:
    with pytest.raises(dg.Failure, match=said):
        execute(home, *identifiers)
