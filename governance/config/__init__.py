"""The configuration of a home: one closed, typed model of ``throughline.yml``.

::

    text -> source_text (YAML with lines) -> model (each key) -> rules (between keys) -> Config
"""

from governance.config.check import Finding, check_config
from governance.config.dbt_vars import dbt_vars, funnel_var
from governance.config.editor_schema import json_schema, write_json_schema
from governance.config.load import ConfigError, load_config, parse_config, parse_funnel
from governance.config.mapping import Csv, FieldSpec, Mapping, Table
from governance.config.model import (
    Alerts,
    Config,
    Exclusion,
    Funnel,
    Identity,
    Limits,
    Publish,
    Revenue,
    Schedules,
    Sessions,
    Source,
    Step,
    Storage,
    Target,
    is_address,
)
from governance.config.scalars import SecretRef

__all__ = [
    "Alerts",
    "Config",
    "ConfigError",
    "Csv",
    "Exclusion",
    "FieldSpec",
    "Finding",
    "Funnel",
    "Identity",
    "Limits",
    "Mapping",
    "Publish",
    "Revenue",
    "Schedules",
    "SecretRef",
    "Sessions",
    "Source",
    "Step",
    "Storage",
    "Table",
    "Target",
    "check_config",
    "dbt_vars",
    "funnel_var",
    "is_address",
    "json_schema",
    "load_config",
    "parse_config",
    "parse_funnel",
    "write_json_schema",
]
