"""What a load says about the producers, as checks: unreadable files, no legal ground.

Neither stops publishing: what could be read is right, and the ledger (a dbt test that does)
proves it.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from governance.config import Config
from ingestion.load import LoadReport
from orchestration import keys
from orchestration.doctor import LARGE_SHARE, consent_fix

READABLE = "every_segment_could_be_read"
GROUNDED = "most_events_have_legal_ground"


def load_check_specs() -> list[dg.AssetCheckSpec]:
    """The checks ``load_checks`` evaluates."""
    return [
        dg.AssetCheckSpec(
            READABLE,
            asset=keys.raw("segments"),
            description="Fails when a landing file was replaced, shortened or cannot be read.",
        ),
        dg.AssetCheckSpec(
            GROUNDED,
            asset=keys.raw("events"),
            description=f"Warns when a source lost more than {LARGE_SHARE:.0%} of its new events.",
        ),
    ]


def load_checks(config: Config, report: LoadReport) -> Iterator[dg.AssetCheckResult]:
    """Judge one load."""
    problems = [f"{p.source}/{p.segment} {p.what}. {p.fix}" for p in report.problems]
    yield dg.AssetCheckResult(
        asset_key=keys.raw("segments"),
        check_name=READABLE,
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description="\n".join(problems) or "All segments could be read.",
        metadata={
            "ignored_files": sum(len(part.ignored) for part in report.sources),
            "dumps_left_to_the_next_load": report.postponed,
        },
    )
    stripped = [part for part in report.sources if part.share_stripped > LARGE_SHARE]
    yield dg.AssetCheckResult(
        asset_key=keys.raw("events"),
        check_name=GROUNDED,
        passed=not stripped,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(
            f"{part.share_stripped:.0%} of the new events of {part.source} had no legal ground"
            f" and were stripped. {consent_fix(config.source(part.source))}"
            for part in stripped
        )
        or "No source lost a large share of its events.",
        metadata={part.source: round(part.share_stripped, 4) for part in report.sources},
    )
