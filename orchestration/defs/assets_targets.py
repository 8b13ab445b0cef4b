"""published/analyst -> the targets of ``publish.to``, one asset for all of them.

One asset, because a run of the command line ends at its first failed step: a target that fails
must not keep the others from their version.
"""

# No postponed annotations here: Dagster compares the annotation of `context` with the class itself.

from collections.abc import Sequence

import dagster as dg

from governance.config import Config
from orchestration import keys
from orchestration.publishing import Delivery, deliver_behind, target_states
from orchestration.publishing.targets import place_of, raise_failed
from orchestration.resources import HomeResource
from orchestration.steps import explained, logged


def targets_assets(config: Config) -> list[dg.AssetsDefinition]:
    """The asset of the configured targets; none without any."""
    if not config.publish.to:
        return []
    places = "; ".join(f"{target.name}: {place_of(target)}" for target in config.publish.to)

    @dg.asset(
        key=keys.PUBLISHED_TARGETS,
        deps=[keys.PUBLISHED_ANALYST],
        group_name=keys.PUBLISHED,
        description=(
            f"The current version at every target of publish.to ({places}). The readers of one that"
            " fails keep the version they have; the next run tries again."
        ),
        kinds={"postgres" if target.postgres else "file" for target in config.publish.to},
        owners=["team:data_platform"],
        # the warehouse's pool: runs send in the order in which they published
        pool=keys.WAREHOUSE_POOL,
    )
    def targets(context: dg.AssetExecutionContext, home: HomeResource) -> dg.MaterializeResult:
        with explained():
            config = home.read_config()
            deliveries = deliver_behind(
                home.place, config, home.read_keys(), progress=logged(context.log)
            )
            for each in deliveries:
                context.log.info(f"{each.target}: {each.outcome}, {each.version} at {each.place}")
            raise_failed(deliveries)
        states = target_states(home.place, config)
        return dg.MaterializeResult(
            metadata={
                **{state.name: f"{state.version} at {state.place}" for state in states},
                "sent": dg.MetadataValue.md(_table_of(deliveries)),
            }
        )

    return [targets]


def _table_of(deliveries: Sequence[Delivery]) -> str:
    lines = [
        f"| {each.target} | {each.outcome} | {each.sent.rows:,} | {each.sent.files:,} |"
        f" {each.sent.reused:,} | {each.seconds:.1f} | {'; '.join(each.sent.notes)} |"
        for each in deliveries
        if each.sent
    ]
    head = "| target | outcome | rows | files | unchanged files | seconds | notes |"
    return "\n".join([head, "|---|---|---:|---:|---:|---:|---|", *lines])
