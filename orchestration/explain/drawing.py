"""A picture of identifiers and what was seen between them.

A column for each kind, the strongest on the left. What is used is a line, what is set aside is
dashed, a device in somebody's hands dotted. Columns are ordered by their neighbours' mean place
(Sugiyama and others, 1981), which needs no random start: the same evidence is the same picture.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from governance.errors import UsageError
from ingestion.named_identifiers import NamedIdentifier
from orchestration.explain.answers import Evidence
from orchestration.explain.reading import KINDS
from orchestration.plots import BLUE, INK, MAX_BYTES, ORANGE

MOST_NODES = 60
_FEWEST_NODES = 8
_ROUNDS = 6
_LABEL = 22
_STYLES = {None: ("-", INK), "interval": (":", INK)}
_ASIDE = ("--", ORANGE)
_FORMATS = {".png": "png", ".svg": "svg"}

Place = tuple[float, float]


def chosen(
    evidence: Sequence[Evidence], asked: Sequence[str], most: int = MOST_NODES
) -> tuple[list[NamedIdentifier], list[Evidence]]:
    """The identifiers to draw and the evidence between them, from the asked ones outwards.

    What is used comes before what is set aside: of a large component the person is seen, not what
    lies around it.
    """
    neighbours = defaultdict[NamedIdentifier, list[Evidence]](list)
    for piece in evidence:
        for end in piece.ends:
            neighbours[end].append(piece)
    start = sorted((n for n in neighbours if str(n) in asked), key=lambda each: each.order)
    start = start or sorted(neighbours, key=lambda each: each.order)[:1]
    found = dict.fromkeys(start)
    frontier = start
    while frontier and len(found) < most:
        met: dict[NamedIdentifier, None] = {}
        for node in frontier:
            for piece in sorted(neighbours[node], key=lambda each: (not each.is_used, each.order)):
                if piece.other(node) not in found:
                    met[piece.other(node)] = None
        frontier = list(met)[: most - len(found)]
        found.update(met.fromkeys(frontier))
    nodes = list(found)[:most]
    between = [piece for piece in evidence if set(piece.ends) <= set(nodes)]
    return nodes, between


def picture(
    evidence: Sequence[Evidence], asked: Sequence[str], *, most: int = MOST_NODES, form: str = "png"
) -> bytes | None:
    """The picture's bytes, None when there is no evidence to draw."""
    import matplotlib as mpl

    nodes, between = chosen(evidence, asked, most)
    if not nodes:
        return None
    total = len({end for piece in evidence for end in piece.ends})
    with mpl.rc_context({"svg.hashsalt": "throughline"}):
        figure = _draw(_places(nodes, between), between, asked, total)
        buffer = io.BytesIO()
        undated = {"Software": None} if form == "png" else {"Date": None}
        figure.savefig(buffer, format=form, metadata=undated)
    return buffer.getvalue()


def small_picture(evidence: Sequence[Evidence], asked: Sequence[str]) -> bytes | None:
    """As many identifiers as fit into what Dagster's event log should hold."""
    most = MOST_NODES
    while most >= _FEWEST_NODES:
        image = picture(evidence, asked, most=most)
        if image is None or len(image) <= MAX_BYTES:
            return image
        most //= 2
    return None


def write_picture(path: Path, evidence: Sequence[Evidence], asked: Sequence[str]) -> bool:
    """Write the picture, as its name says; False when there was nothing to draw.

    Raises:
        UsageError: the name is of no format that is known, or its folder does not exist.
    """
    form = _FORMATS.get(path.suffix.lower())
    if form is None:
        raise UsageError(
            f"A picture is written as .png or .svg, not as {path.suffix or path.name!r}.",
            fix=f"--plot {path.with_suffix('.png')}",
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"There is no folder {path.parent}.", fix=f"mkdir -p {path.parent}, or another --plot"
        )
    image = picture(evidence, asked, form=form)
    if image is not None:
        path.write_bytes(image)
    return image is not None


def _places(
    nodes: Iterable[NamedIdentifier], evidence: Sequence[Evidence]
) -> dict[NamedIdentifier, Place]:
    """A place for each: x is the column of its kind, y its rank there, centred."""
    columns = defaultdict[int, list[NamedIdentifier]](list)
    for node in sorted(nodes, key=lambda each: each.order):
        columns[KINDS.index(node.kind.partition(":")[0])].append(node)
    neighbours = defaultdict[NamedIdentifier, list[NamedIdentifier]](list)
    for piece in evidence:
        neighbours[piece.higher].append(piece.lower)
        neighbours[piece.lower].append(piece.higher)
    heights = _heights(columns)
    for _ in range(_ROUNDS):
        for column in columns.values():
            mean = {n: _mean([heights[o] for o in neighbours[n]], heights[n]) for n in column}
            column.sort(key=lambda each: (-mean[each], each.order))
        heights = _heights(columns)
    # every other column half a step lower: labels do not meet the lines between their neighbours
    return {
        node: (float(x), heights[node] - x % 2 / 2)
        for x, kind in enumerate(sorted(columns))
        for node in columns[kind]
    }


def _heights(columns: dict[int, list[NamedIdentifier]]) -> dict[NamedIdentifier, float]:
    return {
        node: (len(column) - 1) / 2 - rank
        for column in columns.values()
        for rank, node in enumerate(column)
    }


def _mean(values: Sequence[float], alone: float) -> float:
    return sum(values) / len(values) if values else alone


def _draw(
    places: dict[NamedIdentifier, Place],
    evidence: Sequence[Evidence],
    asked: Sequence[str],
    total: int,
) -> Any:
    """The figure; drawn without pyplot, whose state is global."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = {x for x, _ in places.values()}
    tallest = max(sum(x == column for x, _ in places.values()) for column in columns)
    figure = Figure(
        figsize=(max(4.8, 2.2 * len(columns)), min(16.0, 1.6 + 0.36 * tallest)),
        dpi=100,
        layout="constrained",
    )
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set_xlim(-0.4, max(columns) + 0.9)
    axes.set_ylim(-tallest / 2 - 0.6, tallest / 2 + 0.9)
    shown = f"{len(places)} identifiers" + (f" of {total:,}" if total > len(places) else "")
    axes.set_title(shown, loc="left", fontsize=10, color=INK, fontweight="bold")
    axes.set_title("dashed: set aside, dotted: for a time", loc="right", fontsize=8, color=INK)
    for higher, lower, reason in _lines(evidence):
        _line(axes, places[higher], places[lower], reason)
    for node, (x, y) in places.items():
        is_asked = str(node) in asked
        axes.plot(x, y, "o", color=ORANGE if is_asked else BLUE, markersize=7, zorder=3)
        weight = "bold" if is_asked else "normal"
        axes.annotate(
            _label(node),
            (x, y),
            (0, 6),
            textcoords="offset points",
            fontsize=7,
            color=INK,
            fontweight=weight,
            parse_math=False,
        )
    return figure


def _lines(
    evidence: Sequence[Evidence],
) -> list[tuple[NamedIdentifier, NamedIdentifier, str | None]]:
    """One line for each pair: used if any of its evidence is."""
    reasons: dict[tuple[NamedIdentifier, NamedIdentifier], str | None] = {}
    for piece in evidence:
        if piece.is_used or piece.ends not in reasons:
            reasons[piece.ends] = None if piece.is_used else piece.set_aside_reason or "overruled"
    return [(*pair, reason) for pair, reason in sorted(reasons.items(), key=_by_names)]


def _by_names(
    item: tuple[tuple[NamedIdentifier, NamedIdentifier], str | None],
) -> tuple[tuple, tuple]:
    return item[0][0].order, item[0][1].order


def _line(axes: Any, start: Place, end: Place, reason: str | None) -> None:
    """A line, bent where others stand between its ends: it would seem to touch them."""
    style, colour = _STYLES.get(reason, _ASIDE)
    apart = abs(start[0] - end[0])
    bend = -0.35 if not apart else 0.0 if apart == 1 else 0.12
    axes.annotate(
        "",
        end,
        start,
        arrowprops={
            "arrowstyle": "-",
            "linestyle": style,
            "color": colour,
            "linewidth": 1.0,
            "connectionstyle": f"arc3,rad={bend}",
        },
    )


def _label(node: NamedIdentifier) -> str:
    """Short: kind and the beginning of the value; a token's end is what differs."""
    text = "".join(each if each.isprintable() else "?" for each in node.value)
    if text.startswith("tok_"):
        text = "…" + text[-6:]
    kind = node.kind.removeprefix("external:")
    return f"{kind}:{text if len(text) <= _LABEL else text[: _LABEL - 1] + '…'}"
