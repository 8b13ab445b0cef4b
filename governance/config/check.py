"""``throughline config check``: what is wrong or looks wrong in a home; changes nothing."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from governance.config.load import ConfigError, load_config
from governance.config.model import Config, is_address
from governance.config.tracked import unknown_names
from governance.contracts import Contracts
from governance.errors import UserError
from governance.home import Home


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found by the check; errors stop the pipeline, warnings do not."""

    level: Literal["error", "warning"]
    what: str
    fix: str = ""


def check_config(home: Home) -> list[Finding]:
    """All findings about the home's configuration and contracts; empty when all is well."""
    findings: list[Finding] = []
    config: Config | None = None
    contracts: Contracts | None = None
    try:
        config = load_config(home)
    except ConfigError as error:
        findings += [Finding("error", line, error.fix) for line in error.what.splitlines()]
    except UserError as error:
        findings.append(Finding("error", error.what, error.fix))
    try:
        contracts = Contracts.load(home.contracts)
    except UserError as error:
        findings += [Finding("error", line, error.fix) for line in error.what.splitlines()]
    if config is not None:
        findings += _missing_paths(home, config)
        findings += _unmapped_consent(config)
        if contracts is not None:
            findings += _unplanned_events(config, contracts)
    return findings


def _unmapped_consent(config: Config) -> list[Finding]:
    return [
        Finding(
            "warning",
            f"Source {source.name!r} needs consent, but nothing says where its events carry it:"
            " all of them will be stripped.",
            "Add consent_map: {analytics: context.consent.categoryPreferences.Analytics}",
        )
        for source in config.sources
        if source.lawful_basis == "consent"
        and source.shape not in ("native", "mapped")
        and "analytics" not in source.consent_map
    ]


def _missing_paths(home: Home, config: Config) -> list[Finding]:
    findings = []
    for source in config.sources:
        folder = source.location(home)
        if source.kind == "app_database":
            continue  # made by the first load
        if not is_address(folder) and not Path(folder).is_dir():
            what = f"The folder of source {source.name!r} does not exist: {folder}"
            findings.append(Finding("warning", what, f"mkdir -p {folder}"))
    if config.exchange_rates and not is_address(config.exchange_rates):
        findings += _rates(home.root / config.exchange_rates)
    return findings


def _rates(path: Path) -> list[Finding]:
    if not path.is_file():
        return [
            Finding(
                "error", f"exchange_rates does not exist: {path}", "Write it: date,currency,rate"
            )
        ]
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file), [])
    if header != ["date", "currency", "rate"]:
        return [Finding("error", f"{path}, line 1: the columns must be date,currency,rate")]
    return []


def _unplanned_events(config: Config, contracts: Contracts) -> list[Finding]:
    """Warnings only: a funnel may be declared before its events are sent."""
    if not len(contracts):
        return []
    found = dict.fromkeys(unknown_names(config, contracts))
    return [Finding("warning", each.what, each.fix) for each in found]
