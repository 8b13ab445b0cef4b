"""The configuration of lives.py as a home's throughline.yml: for what reads a home."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from governance.config import Config, load_config
from governance.home import Home
from tests.properties.warehouse import make_home
from tests.properties.worlds import HUB_LIMIT, KIOSK_LIMIT, LISTED, SOURCES

_CUT = "2026-05-01T00:00:00Z"  # two shops are believed where one takes over from the other


def configured_home(root: Path) -> Home:
    """A home with keys and folders, still without configuration."""
    home = make_home(root)
    home.contracts.mkdir()
    for name in SOURCES:
        (home.root / "landing" / name).mkdir(parents=True)
    return home


def configure(home: Home, told: dict[str, Any]) -> Config:
    """Write a configuration that gives the variables ``told`` (lives.py)."""
    home.config.write_text(yaml.safe_dump(_tree(told), sort_keys=False), encoding="utf-8")
    return load_config(home)


def _tree(told: dict[str, Any]) -> dict[str, Any]:
    longest = told["tl_sessions"]["max_length_seconds"]
    return {
        "company": "lives",
        "time_zone": told["tl_time_zone"],
        "currency": "EUR",
        "sessions": {
            "timeout": f"{told['tl_sessions']['timeout_seconds']}s",
            "scope": told["tl_sessions"]["scope"],
            "max_length": f"{longest}s" if longest else None,
        },
        "identity": {"hub_limit": HUB_LIMIT, "kiosk_limit": KIOSK_LIMIT, "nobody": [LISTED]},
        "sources": [_source(name, *about) for name, about in SOURCES.items()],
        "funnels": [_funnel(funnel) for funnel in told["tl_funnels"]],
        "revenue": {"sources": told["tl_revenue_sources"]},
        "features": [_feature(feature) for feature in told["tl_features"]],
        "key_events": told["tl_key_events"],
        "sign_up_event": told["tl_sign_up_event"],
        "internal_users": told["tl_internal_users"],
        "dimensions": told["tl_dimensions"],
    }


def _source(name: str, trust: str, surface: str) -> dict[str, Any]:
    cut = {"backend": {"occurred_until": _CUT}, "shop": {"occurred_from": _CUT}}
    return {
        "name": name,
        "kind": "landing",
        "format": "native",
        "path": f"landing/{name}/",
        "surface": surface,
        "trust": trust,
        "lawful_basis": "contract" if trust == "server" else "consent",
        **cut.get(name, {}),
    }


def _feature(feature: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in feature.items() if value}


def _funnel(funnel: dict[str, Any]) -> dict[str, Any]:
    kept = {key: funnel[key] for key in ("name", "steps", "mode", "exclusions", "breakdowns")}
    return {key: value for key, value in kept.items() if value} | {
        "window": f"{funnel['window_seconds']}s",
        "top_breakdowns": funnel["top_breakdowns"],
    }
