"""The nightly audit: a check that blocks publishing when rows are not what raw gives."""

# No postponed annotations here: Dagster compares the annotation of `context` with the class itself.

import hashlib

import dagster as dg

from governance.errors import BlockedError
from orchestration import keys
from orchestration.audit import AuditReport, audit, refuse_mismatches
from orchestration.dbt import target_folder
from orchestration.resources import HomeResource
from orchestration.steps import explained, logged


def audit_check() -> dg.AssetChecksDefinition:
    """One person in a hundred, other ones every night."""

    @dg.asset_check(
        asset=keys.AUDIT_CHECK.asset_key,
        name=keys.AUDIT_CHECK.name,
        blocking=True,
        pool=keys.WAREHOUSE_POOL,
        description="One person in a hundred, rebuilt from raw, has the rows that stand.",
    )
    def audited(context: dg.AssetCheckExecutionContext, home: HomeResource) -> dg.AssetCheckResult:
        with explained():
            report = audit(
                home.place,
                home.read_config(),
                home.read_keys(),
                dbt_manifest=target_folder(home.place) / "manifest.json",
                seed=seed_of(context.run.run_id),
                progress=logged(context.log),
            )
        return dg.AssetCheckResult(
            passed=report.passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=_verdict(report),
            metadata={
                "persons": report.persons,
                "of persons": report.all_persons,
                "persons left out": report.left_out,
                "unknown names": report.unknown_names,
                "raw rows": report.raw_rows,
                "rows compared": sum(report.rows.values()),
                "seed": report.seed,
                "rows": dg.MetadataValue.md(_table(report)),
            },
        )

    return audited


def seed_of(run_id: str) -> int:
    """Another one each night, and the same when a step is tried again."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:4], "big")


def _verdict(report: AuditReport) -> str:
    try:
        refuse_mismatches(report)
    except BlockedError as error:
        return str(error)
    return f"The rows of {report.persons:,} persons are what raw gives (seed {report.seed})."


def _table(report: AuditReport) -> str:
    lines = [
        f"| {name} | {rows:,} | {report.differing.get(name, 0):,} |"
        for name, rows in sorted(report.rows.items())
    ]
    return "\n".join(["| mart | rows | differ |", "|---|---:|---:|", *lines])
