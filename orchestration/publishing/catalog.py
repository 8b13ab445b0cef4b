"""What dbt knows of the marts: descriptions, grain and the class of every column.

Read from dbt's ``manifest.json``, so the model's yml stays the only place where a class is written.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from governance.errors import UserError


@dataclass(frozen=True, slots=True)
class ColumnDoc:
    """A column as its model's yml describes it."""

    name: str
    description: str
    column_class: str | None


@dataclass(frozen=True, slots=True)
class ModelDoc:
    """One model of the marts: where it lies, what a row is, its documented columns."""

    name: str
    schema: str
    table: str
    description: str
    grain: tuple[str, ...]
    owner: str | None
    yml: str
    columns: dict[str, ColumnDoc]


def read_marts(manifest: Path) -> tuple[ModelDoc, ...]:
    """Every enabled model of ``models/marts``, by name.

    Raises:
        UserError: when the manifest is not there or can not be read.
    """
    try:
        content = json.loads(manifest.read_bytes())
    except FileNotFoundError as error:
        raise UserError(
            "The marts have not been built for this home.",
            why=f"dbt's manifest is not at {manifest}.",
            fix="Build them with: throughline build",
        ) from error
    except json.JSONDecodeError as error:
        raise UserError(
            f"dbt's manifest at {manifest} is damaged.",
            why=str(error),
            fix="Write it again with: throughline build",
        ) from error
    nodes = [_model(node) for node in content["nodes"].values() if _is_mart(node)]
    if not nodes:
        raise UserError(
            "dbt's manifest names no model in models/marts.",
            why=f"Read from {manifest}.",
            fix="Write it again with: throughline build",
        )
    return tuple(sorted(nodes, key=lambda model: model.name))


def _is_mart(node: dict[str, Any]) -> bool:
    return (
        node["resource_type"] == "model"
        and node["path"].replace("\\", "/").startswith("marts/")
        and node["config"]["materialized"] != "ephemeral"
    )


def _model(node: dict[str, Any]) -> ModelDoc:
    meta = _meta(node)
    return ModelDoc(
        name=node["name"],
        schema=node["schema"],
        table=node.get("alias") or node["name"],
        description=_one_line(node.get("description")),
        grain=tuple(meta.get("grain") or ()),
        owner=meta.get("owner"),
        # dbt writes the yml as project://path
        yml=(node.get("patch_path") or node["original_file_path"]).split("://")[-1],
        columns={
            column["name"].lower(): ColumnDoc(
                name=column["name"],
                description=_one_line(column.get("description")),
                column_class=_meta(column).get("class"),
            )
            for column in node["columns"].values()
        },
    )


def _meta(item: dict[str, Any]) -> dict[str, Any]:
    """``config.meta``, or the older ``meta`` beside it."""
    return (item.get("config") or {}).get("meta") or item.get("meta") or {}


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
