"""What an analyst sees first: the graph and the page of a mart. Selectors fit Dagster 1.13."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

pytestmark = pytest.mark.browser

Keep = Callable[[str], None]
PLOTTED = ["fct_sessions", "fct_funnel_entries", "rpt_active_daily"]
LAYERS = ["landing", "raw", "staging", "intermediate", "marts", "quality", "published"]


def nodes(page: Page) -> Locator:
    """Groups and assets of the lineage graph."""
    return page.locator("svg foreignObject")


def test_the_graph_shows_every_layer_from_landing_to_published(ui: str, page: Page, keep: Keep):
    page.goto(f"{ui}/asset-groups")
    for layer in LAYERS:
        expect(nodes(page).filter(has_text=layer).first).to_be_attached()
    keep("asset_groups")
    page.mouse.click(900, 140)  # the empty canvas takes the keyboard
    page.keyboard.press("Alt+e")  # expand all groups
    expect(nodes(page).filter(has_text="fct_sessions").first).to_be_attached()
    expect(page.get_by_text("Loading").first).not_to_be_visible()
    keep("asset_graph")


@pytest.mark.parametrize("mart", PLOTTED)
def test_a_marts_page_shows_definition_owner_rows_and_plot(
    ui: str, page: Page, keep: Keep, mart: str
):
    page.goto(f"{ui}/assets/marts/{mart}")
    for heading in ("Description", "Definition", "Owners", "Row count", "Kinds"):
        expect(page.get_by_text(heading, exact=True).first).to_be_visible()
    expect(page.get_by_text("One row per").first).to_be_visible()
    plot = page.locator("img[src^='data:image/']").first
    expect(plot).to_be_visible()
    plot.scroll_into_view_if_needed()
    drawn = plot.evaluate("image => image.complete && image.naturalWidth")
    assert drawn > 200, "the plot is empty"
    keep(mart)


def test_a_marts_page_lists_its_columns(ui: str, page: Page, keep: Keep):
    page.goto(f"{ui}/assets/marts/fct_sessions")
    expect(page.get_by_text("Columns", exact=True).first).to_be_visible()
    expect(page.get_by_text("session_id").first).to_be_visible()
    keep("columns")


def test_a_marts_checks_have_run_and_none_failed(ui: str, page: Page, keep: Keep):
    page.goto(f"{ui}/assets/marts/fct_sessions?view=checks")
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    expect(page.get_by_text("blocking asset check").first).to_be_visible()
    assert page.get_by_text("Failed", exact=True).count() == 0
    keep("checks")


def test_the_jobs_and_schedules_are_the_two_named_by_purpose(ui: str, page: Page, keep: Keep):
    page.goto(f"{ui}/jobs")
    for job in ("hourly", "nightly"):
        expect(page.get_by_text(job, exact=True).first).to_be_visible()
    keep("jobs")
