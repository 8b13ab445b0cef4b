"""The JSON Schema of ``throughline.yml``, so that editors complete and check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from governance.config.model import Config

SCHEMA_FILE = Path(__file__).parent.parent / "throughline.schema.json"


def json_schema() -> dict[str, Any]:
    """The schema, as committed in ``governance/throughline.schema.json``."""
    schema = Config.model_json_schema(mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def write_json_schema(path: Path = SCHEMA_FILE) -> None:
    """Write the schema where editors look for it."""
    path.write_text(json.dumps(json_schema(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
