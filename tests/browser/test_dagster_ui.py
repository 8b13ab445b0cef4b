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


def open_tab(page: Page, asset: str, tab: str) -> None:
    """Go to a tab of an asset's page as a person does: the overview comes first."""
    page.goto(asset)
    expect(page.get_by_text("Definition", exact=True).first).to_be_visible()
    page.get_by_role("tab", name=tab).click()


def test_the_graph_shows_every_layer_from_landing_to_published(ui: str, page: Page, keep: Keep):
    page.goto(f"{ui}/asset-groups")
    for layer in LAYERS:
        expect(nodes(page).filter(has_text=layer).first).to_be_attached()
    expect(nodes(page).filter(has_text="fetching")).to_have_count(0)
    keep("asset_graph")


def test_the_graph_of_a_mart_shows_what_it_is_made_from(ui: str, page: Page, keep: Keep):
    open_tab(page, f"{ui}/assets/marts/fct_sessions", "Lineage")
    expect(nodes(page).filter(has_text="fct_sessions").first).to_be_attached()
    expect(nodes(page).filter(has_text="int_person_events").first).to_be_attached()
    expect(page.locator("path[marker-end]").nth(5)).to_be_attached()  # what goes into what
    keep("lineage")


@pytest.mark.parametrize("mart", PLOTTED)
def test_a_marts_page_shows_definition_owner_rows_and_plot(
    ui: str, page: Page, keep: Keep, mart: str
):
    page.goto(f"{ui}/assets/marts/{mart}")
    for heading in ("Description", "Definition", "Owners", "Row count", "Kinds"):
        expect(page.get_by_text(heading, exact=True).first).to_be_visible()
    expect(page.get_by_text("One row per").first).to_be_visible()
    keep(mart)
    # Dagster shows long Markdown behind a link
    page.get_by_role("row", name="chart").get_by_text("[Show Markdown]").click()
    plot = page.locator("img[src^='data:image/']").first
    expect(plot).to_be_visible()
    drawn = plot.evaluate("image => image.complete && image.naturalWidth")
    assert drawn > 200, "the plot is empty"
    keep(f"{mart}_plot")


def test_a_marts_page_lists_its_columns_with_their_classes(ui: str, page: Page):
    page.goto(f"{ui}/assets/marts/fct_sessions")
    expect(page.get_by_text("Columns", exact=True).first).to_be_visible()
    expect(page.get_by_text("session_id").first).to_be_visible()
    expect(page.get_by_text("class: pseudonym").first).to_be_visible()


def test_a_marts_checks_have_run_and_none_failed(ui: str, page: Page, keep: Keep):
    open_tab(page, f"{ui}/assets/marts/fct_sessions", "Checks")
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    expect(page.get_by_text("blocking asset check").first).to_be_visible()
    assert page.get_by_text("Failed", exact=True).count() == 0
    keep("checks")


def test_the_jobs_are_those_named_by_purpose(ui: str, page: Page):
    page.goto(f"{ui}/jobs")
    for job in ("hourly", "nightly"):
        expect(page.get_by_text(job, exact=True).first).to_be_visible()
