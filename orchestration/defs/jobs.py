"""The two jobs and their schedules; crons come from ``throughline.yml``.

``hourly`` brings what landed to the published copy. ``nightly`` does the same, with an audit before
publishing, then rewrites the warehouse without the space of deleted rows and renders the Data Docs.
"""

from __future__ import annotations

import dagster as dg

from governance.config import Config
from orchestration import keys
from orchestration.waiting import waiting_run

_RETRY_TAGS = {"dagster/max_retries": "1", "dagster/retry_on_asset_or_op_failure": "false"}


def asset_jobs(assets: dg.AssetSelection) -> tuple[dg.UnresolvedAssetJobDefinition, ...]:
    """Both jobs over ``assets``, which are those on the way from landing to published."""
    return (
        dg.define_asset_job(
            keys.HOURLY,
            selection=assets - dg.AssetSelection.checks(keys.AUDIT_CHECK),
            description="Load what landed, build, check and publish.",
            tags=_RETRY_TAGS,
        ),
        dg.define_asset_job(
            keys.NIGHTLY,
            selection=assets | dg.AssetSelection.assets(keys.DATA_DOCS, keys.COMPACTED_WAREHOUSE),
            description="The hourly job with an audit, the Data Docs and compaction.",
            tags=_RETRY_TAGS,
        ),
    )


def schedules(config: Config) -> list[dg.ScheduleDefinition]:
    """One schedule per job, on from the start; skips a tick while a run of the job waits."""
    zone = config.schedules.time_zone or config.time_zone
    return [
        _schedule(keys.HOURLY, config.schedules.hourly, zone),
        _schedule(keys.NIGHTLY, config.schedules.nightly, zone),
    ]


def _schedule(job: str, cron: str, zone: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=job,
        job_name=job,
        cron_schedule=cron,
        execution_timezone=zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Runs the job {job}; crons are set in throughline.yml under schedules.",
    )
    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if waiting := waiting_run(context.instance, job):
            return dg.SkipReason(f"Run {waiting} of {job} still waits; it will see the same data.")
        return dg.RunRequest()

    return tick
