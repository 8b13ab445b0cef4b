"""What an analyst would write instead: sessions and a funnel by pandas, Polars and ClickHouse.

A script of its own for the environment that has them (``.tools/rivals``, made by ``make bench``);
it knows nothing of the project. Reads Parquet, prints one line of JSON: the CPU seconds of the work
without imports, and the number it found.

    python rivals.py sessions polars events.parquet 1800
    python rivals.py funnel clickhouse steps.parquet 86400

The events have person_id, occurred_at and event_id, of interactive events only; the steps
person_id, occurred_at and ordinal (1 to 4). Sessions gives the number of sessions; funnel the sum
over persons of the deepest step reached in order within the window.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

STEPS = 4
# numbers of microseconds, as the project stores moments
MICROSECONDS = 1_000_000


def pandas_sessions(file: str, timeout: int) -> int:
    """Sort, compare with the row before, count what opens a session."""
    import pandas as pd

    events = pd.read_parquet(file).sort_values(["person_id", "occurred_at", "event_id"])
    of_same = events.person_id.eq(events.person_id.shift())
    gap = events.occurred_at.diff()
    events["session"] = (~(of_same & (gap <= pd.Timedelta(seconds=timeout)))).cumsum()
    events["position"] = events.groupby("session").cumcount() + 1
    bounds = events.groupby("session").occurred_at.agg(["min", "max"])
    return len(bounds)


def polars_sessions(file: str, timeout: int) -> int:
    """The same, lazily."""
    import polars as pl

    gap = pl.col("occurred_at").diff().over("person_id")
    events = (
        pl.scan_parquet(file)
        .sort("person_id", "occurred_at", "event_id")
        .with_columns(opens=gap.is_null() | (gap > pl.duration(seconds=timeout)))
        .with_columns(session=pl.col("opens").cum_sum())
        .with_columns(position=pl.int_range(pl.len()).over("session") + 1)
    )
    tagged = events.collect()
    bounds = tagged.group_by("session").agg(
        pl.col("occurred_at").min().alias("started_at"),
        pl.col("occurred_at").max().alias("ended_at"),
    )
    return bounds.height


def clickhouse_sessions(file: str, timeout: int) -> int:
    """Two windows over one order, and the bounds."""
    order = "over (partition by person_id order by occurred_at, event_id"
    order += " rows between unbounded preceding and current row)"
    within = "over (partition by person_id, session order by occurred_at, event_id)"
    opened = f"""
        select
            person_id, occurred_at, event_id,
            lagInFrame(toNullable(occurred_at)) {order} as previous,
            previous is null or occurred_at > previous + interval {timeout} second as opens
        from file('{file}', Parquet)
    """
    numbered = f"select *, sum(opens) {order} as session from ({opened})"
    placed = f"select *, row_number() {within} as position from ({numbered})"
    bounds = "select session, min(occurred_at), max(occurred_at), max(position)"
    return _clickhouse(
        f"select count() from ({bounds} from ({placed}) group by person_id, session)"
    )


def pandas_funnel(file: str, window: int) -> int:
    """Every start followed by the next event of each step, one merge_asof a step."""
    import pandas as pd

    steps = pd.read_parquet(file).sort_values("occurred_at")
    starts = steps[steps.ordinal == 1][["person_id", "occurred_at"]]
    walk = starts.assign(at=starts.occurred_at, depth=1)
    deepest = walk.groupby("person_id").depth.max()
    for step in range(2, STEPS + 1):
        following = steps[steps.ordinal == step][["person_id", "occurred_at"]]
        walk = pd.merge_asof(
            walk[["person_id", "occurred_at", "at"]].sort_values("at"),
            following.rename(columns={"occurred_at": "next_at"}),
            left_on="at",
            right_on="next_at",
            by="person_id",
            direction="forward",
        )
        walk = walk[walk.next_at <= walk.occurred_at + pd.Timedelta(seconds=window)]
        walk = walk.assign(at=walk.next_at, depth=step)
        deepest = pd.concat([deepest, walk.groupby("person_id").depth.max()])
    return int(deepest.groupby(level=0).max().sum())


def polars_funnel(file: str, window: int) -> int:
    """The same with join_asof."""
    import polars as pl

    steps = pl.read_parquet(file).sort("occurred_at")
    walk = steps.filter(pl.col("ordinal") == 1).select(
        "person_id", pl.col("occurred_at").alias("started_at"), pl.col("occurred_at").alias("at")
    )
    reached = [walk.select("person_id", depth=pl.lit(1)).unique()]
    for step in range(2, STEPS + 1):
        following = steps.filter(pl.col("ordinal") == step).select(
            "person_id", pl.col("occurred_at").alias("next_at")
        )
        walk = (
            walk.sort("at")
            .join_asof(
                following,
                left_on="at",
                right_on="next_at",
                by="person_id",
                strategy="forward",
                check_sortedness=False,
            )
            .filter(
                pl.col("next_at") <= pl.col("started_at") + pl.duration(seconds=window),
            )
            .select("person_id", "started_at", pl.col("next_at").alias("at"))
        )
        reached.append(walk.select("person_id", depth=pl.lit(step)).unique())
    deepest = pl.concat(reached).group_by("person_id").agg(pl.col("depth").max())
    return int(deepest["depth"].sum())


def clickhouse_funnel(file: str, window: int) -> int:
    """windowFunnel, one number a person."""
    conditions = ", ".join(f"ordinal = {step}" for step in range(1, STEPS + 1))
    return _clickhouse(f"""
        select sum(depth) from (
            select windowFunnel({window * MICROSECONDS})(
                toUInt64(toUnixTimestamp64Micro(occurred_at)), {conditions}
            ) as depth
            from file('{file}', Parquet)
            group by person_id
        )
    """)


def _clickhouse(query: str) -> int:
    import chdb

    return int(str(chdb.query(query + " settings max_threads = 2")).strip())


RIVALS: dict[tuple[str, str], Callable[[str, int], int]] = {
    ("sessions", "pandas"): pandas_sessions,
    ("sessions", "polars"): polars_sessions,
    ("sessions", "clickhouse"): clickhouse_sessions,
    ("funnel", "pandas"): pandas_funnel,
    ("funnel", "polars"): polars_funnel,
    ("funnel", "clickhouse"): clickhouse_funnel,
}
_MODULES = {"pandas": "pandas", "polars": "polars", "clickhouse": "chdb"}


def main() -> int:
    what, rival, file, seconds = sys.argv[1:]
    __import__(_MODULES[rival])
    cpu, wall = time.process_time(), time.perf_counter()
    found = RIVALS[what, rival](file, int(seconds))
    spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps({"found": found, **spent}))  # noqa: T201 - read by bench_models
    return 0


if __name__ == "__main__":
    sys.exit(main())
