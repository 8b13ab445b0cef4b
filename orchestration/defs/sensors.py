"""A run as soon as files land, instead of at the next full hour."""

from __future__ import annotations

import json

import dagster as dg

from governance.config import Config
from governance.home import Home
from orchestration import keys
from orchestration.landing import observe
from orchestration.waiting import waiting_run

_EVERY_SECONDS = 60


def landing_sensor(home: Home, config: Config) -> dg.SensorDefinition:
    """Starts the hourly job when names or sizes of landing files change.

    The cursor holds the fingerprint per source. It moves only when a run was asked for: files that land while
    a run waits are in that run, and files that land while one works start the next.
    """

    @dg.sensor(
        name="landing_files",
        job_name=keys.HOURLY,
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the hourly job when files land; at most one run waits.",
    )
    def landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        landed = [observe(home, source) for source in config.sources]
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        changed = [
            each for each in landed if each.files and seen.get(each.source) != each.fingerprint
        ]
        if not changed:
            return dg.SkipReason("No new landing files.")
        if waiting := waiting_run(context.instance, keys.HOURLY):
            return dg.SkipReason(f"Run {waiting} waits already; it will load them.")
        cursor = json.dumps({each.source: each.fingerprint for each in landed})
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=f"landing {cursor}",
                    tags={"throughline/landed": ",".join(each.source for each in changed)},
                )
            ],
            asset_events=[each.observation() for each in changed],
            cursor=cursor,
        )

    return landing_files
