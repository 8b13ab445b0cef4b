"""The configuration as dbt variables: the only way business numbers reach SQL."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from governance.config.model import Config, Exclusion, Feature, Funnel, Source, Step


def dbt_vars(config: Config) -> dict[str, Any]:
    """The ``tl_*`` variables of a configuration: plain JSON values."""
    longest = config.sessions.max_length
    return {
        "tl_company": config.company,
        "tl_time_zone": config.time_zone,
        "tl_currency": config.currency,
        "tl_sessions": {
            "timeout_seconds": _seconds(config.sessions.timeout),
            "scope": config.sessions.scope,
            "max_length_seconds": None if longest is None else _seconds(longest),
            "heartbeat_event": config.sessions.heartbeat_event,
        },
        "tl_identity": {
            "handover_gap_seconds": _seconds(config.identity.handover_gap),
            "hub_limit": config.identity.hub_limit,
            "kiosk_limit": config.identity.kiosk_limit,
            "largest_share": config.identity.largest_share,
            "nobody": sorted(config.identity.nobody),
        },
        "tl_sources": [_source(source) for source in config.sources],
        "tl_funnels": [funnel_var(funnel, config) for funnel in config.funnels],
        "tl_features": [_feature(feature) for feature in config.features],
        "tl_key_events": list(config.key_events),
        "tl_sign_up_event": config.sign_up_event,
        "tl_internal_users": list(config.internal_users),
        "tl_revenue_sources": list(config.revenue.names) if config.revenue else [],
        "tl_dimensions": [
            {"name": dimension.name, "from": dimension.from_} for dimension in config.dimensions
        ],
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "surface": source.surface,
        "trust": source.trust,
        "lawful_basis": source.lawful_basis,
        "live": source.is_live,
        "occurred_from": _moment(source.occurred_from),
        "occurred_until": _moment(source.occurred_until),
        "dedupe_group": source.group,
    }


def funnel_var(funnel: Funnel, config: Config) -> dict[str, Any]:
    """One funnel among ``tl_funnels``; ``config`` says what its dimensions are read from."""
    dimensions = {dimension.name: dimension.from_ for dimension in config.dimensions}
    return {
        "name": funnel.name,
        "version": funnel.version_with(dimensions),
        "window_seconds": _seconds(funnel.window),
        "mode": funnel.mode,
        "steps": [_step(step) for step in funnel.steps],
        "exclusions": [
            {**_step(exclusion), "after": exclusion.after, "before": exclusion.before}
            for exclusion in funnel.exclusions
        ],
        "breakdowns": list(funnel.breakdowns),
        "top_breakdowns": funnel.top_breakdowns,
    }


def _feature(feature: Feature) -> dict[str, Any]:
    eligible = feature.eligible
    return {
        "name": feature.name,
        **_step(feature),
        "eligible": None if eligible is None else _step(eligible),
    }


def _step(step: Step | Exclusion | Feature) -> dict[str, Any]:
    where = {name: list(v) if isinstance(v, tuple) else v for name, v in step.where.items()}
    return {"event": step.event, "where": where}


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())


def _moment(moment: datetime | None) -> str | None:
    """UTC without a zone, as all timestamps of the warehouse are."""
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S.%f")
