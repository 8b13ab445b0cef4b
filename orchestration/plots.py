"""Small charts for the pages of some marts, as PNG inside Markdown metadata.

Colours are Okabe and Ito's (2008), which people with colour-blindness can tell apart; lines
differ in style too. A chart stays below ``MAX_BYTES``, because Dagster keeps it in its event log
for ever.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg

MAX_BYTES = 40_000
BLUE, ORANGE, GREEN, INK, GRID = "#0072B2", "#E69F00", "#009E73", "#333333", "#DDDDDD"


def lines(
    title: str, unit: str, days: Sequence[date], series: Sequence[tuple[str, Sequence[float]]]
) -> dg.MarkdownMetadataValue | None:
    """One line per series over local days, None when there are no days."""
    if not days:
        return None
    figure, axes = _canvas(title, unit)
    styles = zip((BLUE, ORANGE, GREEN), ("-", "--", ":"), strict=True)
    for (name, values), (colour, style) in zip(series, styles, strict=False):
        axes.plot(days, values, style, color=colour, linewidth=1.8, label=name)
    _date_axis(axes)
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=len(series))
    axes.set_ylim(bottom=0)
    return _markdown(figure, title)


def bars(
    title: str, unit: str, labels: Sequence[str], values: Sequence[float]
) -> dg.MarkdownMetadataValue | None:
    """Horizontal bars, the first on top, each with its number; None when there are none."""
    if not labels:
        return None
    figure, axes = _canvas(title, unit)
    drawn = axes.barh(range(len(labels)), values, color=BLUE, height=0.62)
    axes.bar_label(drawn, [f"{value:,.0f}" for value in values], padding=3, fontsize=8, color=INK)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.margins(x=0.12)
    return _markdown(figure, title)


def _canvas(title: str, unit: str) -> tuple[Any, Any]:
    """An empty figure in the house style; drawn without pyplot, whose state is global."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10, color=INK, fontweight="bold")
    axes.set_title(unit, loc="right", fontsize=8, color=INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def _date_axis(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _markdown(figure: Any, title: str) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    image = buffer.getvalue()
    if len(image) > MAX_BYTES:
        return dg.MetadataValue.md(f"{title}: the chart is larger than {MAX_BYTES} bytes.")
    return dg.MetadataValue.md(
        f"![{title}](data:image/png;base64,{base64.b64encode(image).decode()})"
    )
