"""Failure, recovery and heartbeat of the jobs, told to the addresses under ``alerts``."""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

from governance.config import Config, SecretRef
from governance.errors import ThroughlineError, UserError
from governance.home import Home
from orchestration.alerts import Message, beat, post

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
_EVERY_SECONDS = 30
_ERROR_CHARACTERS = 600


def alert_sensors(
    home: Home, config: Config, jobs: Sequence[dg.UnresolvedAssetJobDefinition]
) -> list[dg.SensorDefinition]:
    """The sensors whose address is configured; none without one."""
    sensors: list[dg.SensorDefinition] = []
    if config.alerts.webhook:
        sensors.append(_failure_alert(home, config, config.alerts.webhook, jobs))
    if config.alerts.webhook or config.alerts.heartbeat:
        sensors.append(_success_alert(home, config, jobs))
    return sensors


def _failure_alert(
    home: Home, config: Config, webhook: SecretRef, jobs: Sequence[dg.UnresolvedAssetJobDefinition]
) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="alert_on_failure",
        description="Posts to alerts.webhook when a job starts to fail.",
        monitored_jobs=list(jobs),
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alert_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if previous_status(context.instance, run) == dg.DagsterRunStatus.FAILURE:
            return dg.SkipReason("Told already: the run before failed as well.")
        return _tell(
            home,
            webhook,
            Message(
                event="failed",
                company=config.company,
                job=run.job_name,
                run_id=run.run_id,
                text=(
                    f"{config.company}: {run.job_name} failed. {_why(context)}"
                    " Readers keep the last published version. Next: throughline status"
                ),
            ),
        )

    return alert_on_failure


def _success_alert(
    home: Home, config: Config, jobs: Sequence[dg.UnresolvedAssetJobDefinition]
) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name="heartbeat_and_recovery",
        run_status=dg.DagsterRunStatus.SUCCESS,
        description="Calls alerts.heartbeat after a success; tells alerts.webhook of a recovery.",
        monitored_jobs=list(jobs),
        minimum_interval_seconds=_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def heartbeat_and_recovery(context: dg.RunStatusSensorContext) -> dg.SkipReason | None:
        run = context.dagster_run
        if config.alerts.heartbeat:
            address = _address(home, config.alerts.heartbeat)
            if isinstance(address, dg.SkipReason):
                return address
            beat(address)
        recovered = previous_status(context.instance, run) == dg.DagsterRunStatus.FAILURE
        if not (recovered and config.alerts.webhook):
            return None
        return _tell(
            home,
            config.alerts.webhook,
            Message(
                event="recovered",
                company=config.company,
                job=run.job_name,
                run_id=run.run_id,
                text=f"{config.company}: {run.job_name} works again.",
            ),
        )

    return heartbeat_and_recovery


def previous_status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dg.DagsterRunStatus | None:
    """How the run of the same job before ``run`` ended; None when it is the first."""
    ended = instance.get_run_records(
        dg.RunsFilter(job_name=run.job_name, statuses=_ENDED), limit=20
    )
    mine = next((record for record in ended if record.dagster_run.run_id == run.run_id), None)
    for record in ended:
        if mine is None or record.storage_id < mine.storage_id:
            return record.dagster_run.status
    return None


def _why(context: dg.RunFailureSensorContext) -> str:
    """The first failed step's own words; of errors that are not ours only the type.

    Ours never hold secrets or personal data; a message of DuckDB or of Python may quote a value,
    and an alert goes to a third party.
    """
    run = f"Run {context.dagster_run.run_id}."
    events = context.get_step_failure_events()
    if not events:
        return run
    step = f"Step {events[0].step_key}"
    data = events[0].step_failure_data
    innermost, error = "", data.error
    while error is not None:
        if error.cls_name in _our_errors():
            return f"{step}: {error.message.strip()[:_ERROR_CHARACTERS]}"
        innermost, error = error.cls_name or "", error.cause
    return f"{step}: {innermost or 'an unknown error'}. {run}"


def _our_errors() -> set[str]:
    found, kinds = set[str](), [ThroughlineError]
    while kinds:
        kind = kinds.pop()
        found.add(kind.__name__)
        kinds += kind.__subclasses__()
    return found


def _tell(home: Home, webhook: SecretRef, message: Message) -> dg.SkipReason | None:
    address = _address(home, webhook)
    if isinstance(address, dg.SkipReason):
        return address
    if post(address, message):
        return None
    return dg.SkipReason(f"{webhook} did not answer; the message was: {message.text}")


def _address(home: Home, secret: SecretRef) -> str | dg.SkipReason:
    try:
        return secret.resolve(home)
    except UserError as error:
        return dg.SkipReason(str(error))
