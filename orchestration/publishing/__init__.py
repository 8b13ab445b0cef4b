"""Publishing: from the private warehouse to immutable, versioned folders that anybody may open.

    marts.* --(class of each column)--> published/analyst/<version>/
                                            analytics.duckdb   marts as tables, fct_events as a view
                                            parquet/           a file a table, events by month, day
                                            manifest.json      run, data_until, rows, sha256
                                        published/analyst/current -> <version>   one atomic rename

A version is written in its own folder, its manifest last, and only then becomes current, so a
process killed at any instant leaves the old version in place. (Not in a temporary folder that is
renamed: the view over the parquet files holds their absolute paths, and DuckDB binds it when it is
made.) Readers who hold the old file keep reading it.
"""

from orchestration.publishing.manifest import Manifest, read_manifest
from orchestration.publishing.publication import PublishReport, publish
from orchestration.publishing.store import (
    ROLE,
    Version,
    current_file,
    current_version,
    rollback,
    versions,
)
from orchestration.publishing.targets import (
    Delivery,
    TargetError,
    TargetState,
    deliver,
    deliver_behind,
    target_named,
    target_states,
)

__all__ = [
    "ROLE",
    "Delivery",
    "Manifest",
    "PublishReport",
    "TargetError",
    "TargetState",
    "Version",
    "current_file",
    "current_version",
    "deliver",
    "deliver_behind",
    "publish",
    "read_manifest",
    "rollback",
    "target_named",
    "target_states",
    "versions",
]
