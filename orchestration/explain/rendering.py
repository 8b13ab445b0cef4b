"""A page as plain text, whose identifiers can be copied in one piece, or as Markdown.

Identifiers come from producers and reasons from people: neither may bring control characters to a
terminal or markup to a page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from orchestration.explain.wording import Page, Row, Section

_LONGEST = 300
_MARKUP = re.compile(r"([\\`*\[\]|])")


def as_text(page: Page) -> str:
    """Lines for a terminal."""
    parts = ["\n".join(map(_clean, (page.verdict, *page.lines)))]
    parts += ["\n".join(_text(section)) for section in page.sections]
    return "\n\n".join(parts)


def as_markdown(page: Page) -> str:
    """The same with headings and tables."""
    parts = [f"**{_marked(page.verdict)}**", *map(_marked, page.lines)]
    for section in page.sections:
        parts.append(f"### {_marked(section.title)}")
        if section.rows:
            rule = tuple("---" for _ in section.heads)
            rows = (section.heads, *(tuple(map(_marked, row)) for row in section.rows))
            parts.append("\n".join(map(_row, (rows[0], rule, *rows[1:]))))
        if section.lines:
            parts.append("\n".join(_item(section, line) for line in section.lines))
    return "\n\n".join(parts) + "\n"


def _text(section: Section) -> Iterator[str]:
    yield _clean(section.title)
    rows = [tuple(map(_clean, row)) for row in section.rows]
    if rows:
        rows.insert(0, section.heads)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            yield "  " + "  ".join(cells).rstrip()
    for line in section.lines:
        yield "  " + _clean(line)


def _row(cells: Row) -> str:
    return "| " + " | ".join(cells) + " |"


def _item(section: Section, line: str) -> str:
    if section.title == "To change it":
        return f"    {_clean(line)}"  # code: to be copied as it stands
    numbered = re.match(r"\d+\. ", line)
    return _marked(line) if numbered else f"- {_marked(line)}"


def _marked(text: str) -> str:
    return _MARKUP.sub(r"\\\1", html.escape(_clean(text), quote=False))


def _clean(text: str) -> str:
    text = "".join(each if each.isprintable() else "\ufffd" for each in text)
    return text if len(text) <= _LONGEST * 3 else text[: _LONGEST * 3] + "…"
