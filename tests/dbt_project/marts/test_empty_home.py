"""A home on its first day: nothing configured, nothing received."""

from __future__ import annotations

import duckdb


def test_without_events_and_funnels_the_marts_are_empty_and_keep_their_columns(empty_warehouse):
    with duckdb.connect(str(empty_warehouse), read_only=True) as connection:
        for mart in (
            "fct_funnel_entries",
            "rpt_funnel_daily",
            "rpt_active_daily",
            "rpt_metrics_daily",
            "rpt_retention",
            "fct_orders",
            "rpt_revenue_daily",
            "rpt_revenue_matches",
            "rpt_ltv",
            "fct_conversions",
            "fct_page_views",
            "rpt_pages",
            "rpt_paths",
            "rpt_lifecycle_weekly",
            "rpt_stickiness",
            "rpt_feature_adoption",
        ):
            assert connection.sql(f"select count(*) from marts.{mart}").fetchone() == (0,)
        columns = connection.sql("select * from marts.fct_funnel_entries").columns
    assert {"step_1_at", "step_10_at", "window_closed", "breakdown_3"} <= set(columns)
