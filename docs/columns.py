"""Write the page of every published column from dbt's manifest: ``columns.py MANIFEST PAGE``.

The meaning of a column lives in its model's yml and nowhere else; this page only shows it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def page(manifest: dict[str, Any]) -> str:
    """The Markdown of all marts, in the order of their names."""
    marts = sorted(
        (
            node
            for node in manifest["nodes"].values()
            if node["resource_type"] == "model" and node["config"].get("schema") == "marts"
        ),
        key=lambda node: node["name"],
    )
    return "\n".join(
        ["# Published columns", "", *(line for node in marts for line in _table(node))]
    )


def _table(node: dict[str, Any]) -> list[str]:
    meta = node["config"].get("meta") or {}
    grain = ", ".join(f"`{column}`" for column in meta.get("grain", ()))
    facts = [f"Owner: {meta['owner']}."] if "owner" in meta else []
    facts += [f"Grain: {grain}."] if grain else []
    rows = [
        f"| `{name}` | {column.get('data_type') or ''} | {_class(column)}"
        f" | {_line(column['description'])} |"
        for name, column in node["columns"].items()
    ]
    return [
        f"## {node['name']}",
        "",
        _line(node["description"]),
        "",
        *([" ".join(facts), ""] if facts else []),
        "| column | type | class | meaning |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _class(column: dict[str, Any]) -> str:
    meta = column.get("config", {}).get("meta") or column.get("meta") or {}
    return str(meta.get("class", ""))


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:3])
    manifest = json.loads(source.read_text(encoding="utf-8"))
    target.write_text(page(manifest), encoding="utf-8")
