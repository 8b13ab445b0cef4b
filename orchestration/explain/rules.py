"""The rules of identity in words."""

from __future__ import annotations

_IDENTIFIERS = {
    "user": "the application's own id of its user",
    "alias": "a trusted alias says it is another id of the same user",
    "linked": "somebody said so",
    "joined": "it is evidenced with this one person and with no other",
    "own": "nothing stronger was ever seen with it, so it stands for itself",
    "conflict": "it is evidenced with two persons or more",
    "never_link": "somebody said that it is never one with this person",
    "hub": "it is named together with more others than identity.hub_limit",
    "null_like": "it is what producers send when they have no id, or listed under identity.nobody",
}
_ASIDE = ("conflict", "never_link", "hub", "null_like")
_EVENTS = {
    "direct": "the event itself names the person",
    "carry": "known events around it on the device are this person's",
    "rejoin": "logged out, and the same person came back to the device",
    "backfill": "before anybody named himself; the first who did is this person",
    "logout_to_next": "after a log-out, so it is the next person's",
    "gap_to_next": "after a pause longer than identity.handover_gap, so it is the next person's",
    "anonymous": "nobody named himself: the device stands for itself",
    "kiosk": "more people than identity.kiosk_limit use the device: nobody's history moves",
    "none": "it names neither a person nor a device",
}


def of_identifier(rule: str) -> str:
    """Why an identifier stands for its person, or for nobody."""
    return _IDENTIFIERS.get(rule, rule)


def of_event(rule: str | None) -> str:
    """Why an event is its person's."""
    return _EVENTS.get(rule or "none", rule or "")


def is_set_aside(rule: str) -> bool:
    """Whether the rule makes an identifier nobody's."""
    return rule in _ASIDE
