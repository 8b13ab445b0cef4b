"""The job that explains identities in the UI: an answer in Markdown and a picture, for a run.

Annotations are evaluated here: Dagster reads the type of an op's configuration from them.
"""

import base64

import dagster as dg
from pydantic import Field

from orchestration import keys
from orchestration.explain import as_markdown, explain, page
from orchestration.resources import HomeResource
from orchestration.steps import explained


class Question(dg.Config):
    """Whom the run explains."""

    identifiers: list[str] = Field(
        description="One identifier, or two to compare: kind:value (user_id:u_123), a person_id or"
        " event:ID. Addresses and phone numbers as tokens: a run's configuration is kept."
    )


@dg.op(
    name="explain",
    description="Reads the published copy alone, so it waits for no other run.",
    tags={"dagster/max_retries": "0"},
)
def _explain(context: dg.OpExecutionContext, config: Question, home: HomeResource) -> None:
    with explained():
        answer, evidence = explain(
            home.place, home.read_keys(), config.identifiers, kept=True, pictured=True
        )
    from orchestration.explain.drawing import small_picture

    asked = [answer.asked] if isinstance(answer.asked, str) else answer.asked
    image = small_picture(evidence, asked)
    markdown = as_markdown(page(answer))
    context.add_output_metadata(
        {
            "answer": dg.MetadataValue.md(markdown),
            "component": dg.MetadataValue.md(_embedded(image) if image else "nothing to draw"),
        }
    )


def explain_job() -> dg.JobDefinition:
    """``explain_identity``: launched by hand, with the identifiers in its configuration."""

    @dg.job(
        name=keys.EXPLAIN_IDENTITY,
        description="Whose an identifier is and why; of two, what joins them or keeps them apart.",
        tags={"dagster/max_retries": "0"},
    )
    def explain_identity() -> None:
        _explain()

    return explain_identity


def _embedded(image: bytes) -> str:
    return f"![Identifiers](data:image/png;base64,{base64.b64encode(image).decode()})"
