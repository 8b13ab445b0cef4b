"""Who did each event, decided by plain loops from the written rules; no code of the models.

A person is named by the strongest identifier of its component, a device on its own by the strongest
of its device identifiers.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from itertools import combinations, pairwise

PRIORITY = {"user_id": 1, "external": 2, "email": 3, "phone": 4, "anonymous_id": 5, "device_id": 6}
NOBODY = {"undefined", "0", "null"}


def priority(identifier: tuple[str, str]) -> int:
    return PRIORITY[identifier[0].split(":")[0]]


def strength(identifier: tuple[str, str]) -> tuple[int, str, str]:
    return (priority(identifier), *identifier)


def components(nodes: set, edges: list) -> dict:
    """Flood fill; returns the frozenset each node belongs to."""
    neighbours = defaultdict(set)
    for a, b in edges:
        neighbours[a].add(b)
        neighbours[b].add(a)
    found: dict = {}
    for node in nodes:
        if node in found:
            continue
        seen, todo = set(), [node]
        while todo:
            here = todo.pop()
            if here not in seen:
                seen.add(here)
                todo.extend(neighbours[here])
        for member in seen:
            found[member] = frozenset(seen)
    return found


def aliases_a_device(event: dict, as_user: set, as_device: set) -> bool:
    previous = event.get("previous_id") if event["event_type"] == "alias" else None
    if not previous:
        return False
    return event["trust"] == "public" or (previous in as_device and previous not in as_user)


def named_by(event: dict, as_user: set, as_device: set) -> set[tuple[str, str]]:
    trusted = event["trust"] != "public"
    names = set()
    if event.get("user_id"):
        names.add(("user_id", event["user_id"]))
    for space, value in (event.get("external") or {}).items():
        names.add((f"external:{space}", value))
    if event.get("email_token") and event.get("email_verified") and trusted:
        names.add(("email", event["email_token"]))
    if event.get("phone_token"):
        names.add(("phone", event["phone_token"]))
    anonymous = event.get("anonymous_id")
    previous = event.get("previous_id") if event["event_type"] == "alias" else None
    if previous and not aliases_a_device(event, as_user, as_device):
        names.add(("user_id", previous))
    elif previous and (trusted or anonymous is None):
        names.add(("anonymous_id", previous))
    if anonymous:
        names.add(("anonymous_id", anonymous))
    if event.get("device_id"):
        names.add(("device_id", event["device_id"]))
    return names


def resolve(
    events: list[dict], hub_limit: int, kiosk_limit: int, gap: timedelta
) -> dict[str, tuple]:
    """event_key -> (person, rule); person is a frozenset of identifiers or None."""
    as_user = {e["user_id"] for e in events if e.get("user_id") and e["trust"] != "public"}
    as_device = {e["anonymous_id"] for e in events if e.get("anonymous_id")}
    names = {e["event_key"]: named_by(e, as_user, as_device) for e in events}

    links: set[tuple] = set()
    counterparts = defaultdict(set)
    everything = set().union(*names.values()) if names else set()
    for event in events:
        usable = sorted((n for n in names[event["event_key"]] if n[1] not in NOBODY), key=strength)
        for a, b in combinations(usable, 2):
            trusted = event["trust"] != "public"
            devices = priority(a) >= 5 and priority(b) >= 5
            persons = priority(a) <= 4 and priority(b) <= 4
            if devices or (persons and trusted):
                links.add((a, b))
                # a device pair counts as trusted once any trusted source says it
            if trusted and (devices or persons):
                counterparts[a].add(b)
                counterparts[b].add(a)
    hubs = {n for n, others in counterparts.items() if len(others) > hub_limit}
    out = hubs | {n for n in everything if n[1] in NOBODY}
    links = {(a, b) for a, b in links if a not in out and b not in out}
    alive = everything - out

    person: dict = {}
    users = {n for n in alive if priority(n) == 1}
    user_edges = [(a, b) for a, b in links if priority(a) == priority(b) == 1]
    for node, members in components(users, user_edges).items():
        person[node] = min(members, key=strength)

    for level in (2, 3, 4):
        nodes = {n for n in alive if priority(n) == level}
        above = defaultdict(set)
        for a, b in links:
            if priority(b) == level and priority(a) < level and a in person:
                above[b].add(person[a])
        claimed = {b for a, b in links if priority(b) == 2 and priority(a) == 1}
        free = nodes - claimed if level == 2 else set()
        same = [(a, b) for a, b in links if a in free and b in free]
        alone = components(free, same)
        for node in nodes:
            if len(above[node]) == 1:
                person[node] = next(iter(above[node]))
            elif not above[node]:
                person[node] = min(alone.get(node, {node}), key=strength)

    devices = {n for n in alive if priority(n) >= 5}
    device_edges = [(a, b) for a, b in links if priority(a) >= 5]
    device_of = {
        n: ("device", min(members, key=strength))
        for n, members in components(devices, device_edges).items()
    }

    known: dict[str, tuple | None] = {}
    device: dict[str, tuple | None] = {}
    for event in events:
        usable = sorted((n for n in names[event["event_key"]] if n in person), key=strength)
        known[event["event_key"]] = person[usable[0]] if usable else None
        carried = sorted((n for n in names[event["event_key"]] if n in device_of), key=strength)
        device[event["event_key"]] = device_of[carried[0]] if carried else None

    result: dict[str, tuple] = {}
    by_device = defaultdict(list)
    for event in events:
        key = event["event_key"]
        if device[key] is None:
            result[key] = (known[key], "direct" if known[key] else "none")
        else:
            by_device[device[key]].append(event)

    def place(event: dict) -> tuple:
        key = event["event_key"]
        rank = 2 if event["event_name"] in ("logout", "reset") else 0 if known[key] else 1
        return (event["occurred_at"], rank, event["event_id"], key)

    for own, mine in by_device.items():
        mine.sort(key=place)
        sent = [
            e
            for e in mine
            if e["surface"] != "backend"
            or (e["trust"] != "public" and aliases_a_device(e, as_user, as_device))
        ]
        anchors = [e for e in sent if known[e["event_key"]]]
        kiosk = len({known[e["event_key"]] for e in anchors}) > kiosk_limit
        for event in mine:
            key = event["event_key"]
            if known[key]:
                result[key] = (known[key], "direct")
                continue
            before = [e for e in anchors if place(e) < place(event)]
            after = [e for e in anchors if place(e) > place(event)]
            a = known[before[-1]["event_key"]] if before else None
            b = known[after[0]["event_key"]] if after else None
            logged_out = paused = False
            if before:
                since = place(before[-1])
                logged_out = any(
                    e["event_name"] in ("logout", "reset") and since <= place(e) < place(event)
                    for e in sent
                )
                steps = [e for e in sent if since <= place(e) < place(event)] + [event]
                paused = any(y["occurred_at"] - x["occurred_at"] > gap for x, y in pairwise(steps))
            if kiosk:
                carry = a is not None and not logged_out and not paused
                result[key] = (a, "carry") if carry else (own, "kiosk")
            elif a is None and b is None:
                result[key] = (own, "anonymous")
            elif a is None:
                result[key] = (b, "backfill")
            elif b is None:
                result[key] = (own, "anonymous") if logged_out else (a, "carry")
            elif a == b:
                result[key] = (a, "rejoin" if logged_out else "carry")
            elif logged_out:
                result[key] = (b, "logout_to_next")
            elif paused:
                result[key] = (b, "gap_to_next")
            else:
                result[key] = (a, "carry")
    return result


def sessions(events: list[dict], person_of: dict, timeout: timedelta) -> dict[str, str | None]:
    """event_key -> event_key of the first event of its session, by one walk per person."""
    mine = defaultdict(list)
    for event in events:
        if person_of[event["event_key"]] is not None:
            mine[person_of[event["event_key"]]].append(event)
    found: dict[str, str | None] = {e["event_key"]: None for e in events}
    for history in mine.values():
        history.sort(key=lambda e: (e["occurred_at"], e["event_id"], e["event_key"]))
        bursts: list[list[dict]] = []
        for event in (e for e in history if e["is_interactive"]):
            if bursts and event["occurred_at"] - bursts[-1][-1]["occurred_at"] <= timeout:
                bursts[-1].append(event)
            else:
                bursts.append([event])
        for burst in bursts:
            for event in burst:
                found[event["event_key"]] = burst[0]["event_key"]
        for event in (e for e in history if not e["is_interactive"]):
            for burst in bursts:
                if (
                    burst[0]["occurred_at"]
                    <= event["occurred_at"]
                    <= burst[-1]["occurred_at"] + timeout
                ):
                    found[event["event_key"]] = burst[0]["event_key"]
    return found
