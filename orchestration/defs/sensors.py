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

    Databases are read by the schedule: what lies in their folders the load itself has written.
    The cursor holds the fingerprint per source. While a run waits none is added: it will see
    these files too. Files that land while a run works start the next one.
    """

    @dg.sensor(
        name="landing_files",
        job_name=keys.HOURLY,
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Starts the hourly job when files land; at most one run waits.",
    )
    def landing_files(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        landed = [
            observe(home, source) for source in config.sources if source.kind != "app_database"
        ]
        seen: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        changed = [new for new in landed if new.files and seen.get(new.source) != new.fingerprint]
        if not changed:
            return dg.SensorResult(skip_reason="No new landing files.")
        cursor = json.dumps({each.source: each.fingerprint for each in landed})
        observed = [each.observation() for each in changed]
        if waiting := waiting_run(context.instance, keys.HOURLY):
            return dg.SensorResult(
                skip_reason=f"Run {waiting} waits already; it will load them.",
                asset_events=observed,
                cursor=cursor,
            )
        names = ",".join(each.source for each in changed)
        return dg.SensorResult(
            run_requests=[
                # the key keeps a daemon that died before it saved the cursor from asking twice
                dg.RunRequest(run_key=f"landing {cursor}", tags={"throughline/landed": names})
            ],
            asset_events=observed,
            cursor=cursor,
        )

    return landing_files
