"""The raw rows that the rows of some persons depend on, found in raw itself.

    persons --their identifiers--> all that links lead to --their devices--> who else used those
            --orders they share--> whoever the orders name
    rows of all of these, every copy of them, the consent entries about whoever they name

Links are what raw rows name together, so that an identifier which the standing state forgot is
reached all the same. Whoever it forgot with all identifiers is among the names of raw that it does
not know (most of them rightly: their rows do not count), of which some are looked into as well. Two
things are taken from the standing state to keep the way short: where it stops (hubs, values that
name nobody) and one event for each counterpart that makes a hub one. When these are wrong the
rebuilt rows differ, which is what an audit is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from governance.config import Config

# What a row names. Of an alias, what it calls the earlier name may be a user's or a browser's.
_NAMED = (
    "source, user_id, external_ids, email_token, phone_token, anonymous_id, device_id, previous_id"
)
_OF_ROW = (
    "source, user_id, external_ids, case when email_verified then email_token end, phone_token,"
    " anonymous_id, device_id, previous_id"
)
_SUBJECT = f"hash({_OF_ROW})"  # two sets of names with one hash only make the closure larger


@dataclass(frozen=True, slots=True)
class Closure:
    """Rows of ``raw.events`` that were chosen, in ``audit_keys`` by their dedupe key."""

    rows: int


def collect_names(connection: duckdb.DuckDBPyConnection, config: Config) -> None:
    """Every distinct set of names in raw (``audit_names``), and what leads nowhere.

    The tables are temporary; they serve any number of closures.
    """
    trusted = [source.name for source in config.sources if source.trust != "public"]
    connection.execute(
        f"""
        create or replace temp table audit_subjects as
        select {_SUBJECT} as subject, source in (select unnest($1::varchar[])) as is_trusted,
            case when email_verified then email_token end as email_token,
            {_NAMED.replace("email_token, ", "")}
        from raw.events
        group by all
        """,
        [trusted],
    )
    connection.execute(
        """
        create or replace temp table audit_names as
        select distinct subject, is_trusted, kind || chr(31) || value as node, is_person
        from (
            select subject, is_trusted, 'user_id' as kind, user_id as value, true as is_person
            from audit_subjects
            union all
            select subject, is_trusted, 'user_id', previous_id, true from audit_subjects
            union all
            select subject, is_trusted, 'external:' || entry.key, entry.value, true
            from (
                select subject, is_trusted,
                    unnest(map_entries(external_ids::json::map(varchar, varchar))) as entry
                from audit_subjects
                where external_ids is not null
            )
            union all
            select subject, is_trusted, 'email', email_token, true from audit_subjects
            union all
            select subject, is_trusted, 'phone', phone_token, true from audit_subjects
            union all
            select subject, is_trusted, 'anonymous_id', anonymous_id, false from audit_subjects
            union all
            select subject, is_trusted, 'anonymous_id', previous_id, false from audit_subjects
            union all
            select subject, is_trusted, 'device_id', device_id, false from audit_subjects
        )
        where value is not null
        """
    )
    connection.execute(
        """
        create or replace temp table audit_said as
        select a_kind || chr(31) || a_value as node, b_kind || chr(31) || b_value as other
        from raw.identity_overrides
        union
        select b_kind || chr(31) || b_value, a_kind || chr(31) || a_value
        from raw.identity_overrides;

        -- what nobody is named by: its rows are nobody's
        create or replace temp table audit_mute as
        select node from intermediate.int_identity_nodes where rule in ('null_like', 'hub');

        -- what links nobody: a hub that somebody linked by hand does stand for its person
        create or replace temp table audit_ends as
        select kind || chr(31) || value as node from intermediate.int_identity_hubs
        union
        select node from intermediate.int_identity_nodes where rule = 'null_like'
        """
    )


def collect_unknown(connection: duckdb.DuckDBPyConnection, seed: int, most: int) -> int:
    """``audit_unknown`` (place, node): names of raw that the standing state does not know.

    The first ``most`` in an order that depends on the seed alone; returns how many. Needs
    ``collect_names``.
    """
    connection.execute(
        """
        create or replace temp table audit_unknown as
        select row_number() over (order by md5($1::varchar || node), node) as place, node
        from (
            select distinct node
            from audit_names
            anti join intermediate.int_identity_nodes using (node)
            -- of what anybody can send an e-mail address is no name
            where is_trusted or not starts_with(node, 'email' || chr(31))
        )
        qualify place <= $2
        """,
        [str(seed), most],
    )
    return connection.execute("select count(*) from audit_unknown").fetchall()[0][0]


def close_over(
    connection: duckdb.DuckDBPyConnection, config: Config, persons: Sequence[str], unknown: int
) -> Closure:
    """Find the rows that those of ``persons``, and of ``unknown`` names, depend on.

    Needs ``collect_names`` and ``collect_unknown``. Leaves ``audited`` (person_id),
    ``audited_nodes`` (node: the persons' own identifiers and what links lead to),
    ``audited_unknown`` (node) and ``audit_keys`` (dedupe_key).
    """
    connection.execute(
        "create or replace temp table audited as select unnest($1::varchar[]) as person_id",
        [list(persons)],
    )
    for table in ("audited_nodes", "audit_devices", "audit_others"):
        connection.execute(f"create or replace temp table {table} (node varchar)")
    standing = (
        "select node from intermediate.int_identity_nodes semi join audited using (person_id)"
    )
    connection.execute(
        "create or replace temp table audited_unknown as"
        " select node from audit_unknown where place <= $1",
        [unknown],
    )
    _spread(
        connection,
        "audited_nodes",
        f"{standing} where kind_priority <= 4 union {_unknown(is_person=True)}",
        is_person=True,
    )
    _spread(
        connection,
        "audit_devices",
        f"{standing} where kind_priority >= 5 union {_unknown(is_person=False)}"
        f" union {_beside('audited_nodes', is_person=False)}",
        is_person=False,
    )
    _collect_orders(connection)
    _spread(connection, "audit_devices", _named_by("audit_order_subjects", False), is_person=False)
    _spread(
        connection,
        "audit_others",
        f"""
        {_beside("audited_nodes", is_person=True)} union {_beside("audit_devices", is_person=True)}
        union {_named_by("audit_order_subjects", True)} union select node from audited_nodes
        """,
        is_person=True,
    )
    _collect_keys(connection, config)
    found = connection.execute(
        "select count(*) from raw.events semi join audit_keys using (dedupe_key)"
    ).fetchall()
    return Closure(rows=found[0][0])


def _spread(
    connection: duckdb.DuckDBPyConnection, table: str, seeds: str, *, is_person: bool
) -> None:
    """Fill ``table`` with ``seeds`` and all that links lead to.

    Persons are linked by trusted sources, the identifiers of a device by any.
    """
    kind = "is_person and is_trusted" if is_person else "not is_person"
    connection.execute(
        f"create or replace temp table audit_frontier as"
        f" select distinct node from ({seeds}) anti join {table} using (node)"
    )
    while connection.execute("select count(*) from audit_frontier").fetchall()[0][0]:
        connection.execute(f"insert into {table} select node from audit_frontier")
        connection.execute(
            f"""
            create or replace temp table audit_frontier as
            select distinct node
            from (
                select names.node
                from audit_names as names
                semi join (
                    select names.subject
                    from audit_names as names
                    semi join (
                        select node from audit_frontier anti join audit_ends using (node)
                    ) as crossed on names.node = crossed.node
                    where {kind}
                ) as met on names.subject = met.subject
                where {kind}
                union
                select other from audit_said semi join audit_frontier using (node)
            )
            anti join {table} using (node)
            """
        )


def _unknown(*, is_person: bool) -> str:
    return f"""
        select node from audited_unknown
        semi join (select node from audit_names where {"" if is_person else "not"} is_person)
            using (node)
    """


def _beside(table: str, *, is_person: bool) -> str:
    """Query of the names that stand on a row with a name of ``table``."""
    return f"""
        select names.node
        from audit_names as names
        semi join ({_subjects_of(table)}) as met on names.subject = met.subject
        where {"" if is_person else "not"} names.is_person
    """


def _subjects_of(table: str) -> str:
    return f"""
        select subject from audit_names
        semi join (select node from {table} anti join audit_mute using (node)) using (node)
    """


def _named_by(subjects: str, is_person: bool) -> str:
    return f"""
        select node from audit_names semi join {subjects} using (subject)
        where {"" if is_person else "not"} is_person
    """


def _collect_orders(connection: duckdb.DuckDBPyConnection) -> None:
    """An order is whoever's its first sale is, so all of its amounts decide."""
    connection.execute(
        f"""
        create or replace temp table audit_orders as
        select distinct order_id
        from raw.events
        semi join (
            {_subjects_of("audited_nodes")} union {_subjects_of("audit_devices")}
        ) as own on {_SUBJECT} = own.subject
        where order_id is not null;

        create or replace temp table audit_order_subjects as
        select distinct {_SUBJECT} as subject
        from raw.events
        semi join audit_orders using (order_id)
        """
    )


def _collect_keys(connection: duckdb.DuckDBPyConnection, config: Config) -> None:
    """The dedupe keys of all rows that count: copies of one event have one key."""
    connection.execute(
        f"""
        create or replace temp table audit_chosen as
        {_subjects_of("audited_nodes")}
        union {_subjects_of("audit_devices")}
        union {_subjects_of("audit_others")}
        union select subject from audit_order_subjects;

        create or replace temp table audit_keys as
        select dedupe_key from raw.events
        semi join audit_chosen on {_SUBJECT} = audit_chosen.subject
        union
        select dedupe_key from raw.events semi join audit_orders using (order_id);
        """
    )
    # more counterparts than the limit make a hub: so many are enough
    connection.execute(
        """
        insert into audit_keys
        with
            evidence as (
                select higher_kind || chr(31) || higher_value as higher,
                    lower_kind || chr(31) || lower_value as lower, example_event_key
                from intermediate.int_identity_evidence
                where is_trusted and not is_null_like and evidence in ('event', 'row')
                    and (higher_priority >= 5 or lower_priority <= 4)
            ),
            hubs as (
                select kind || chr(31) || value as node from intermediate.int_identity_hubs
                semi join (
                    select node from audit_names semi join audit_chosen using (subject)
                ) as named on kind || chr(31) || value = named.node
            ),
            counterparts as (
                select hubs.node, lower as other, example_event_key
                from evidence inner join hubs on higher = hubs.node
                union all
                select hubs.node, higher, example_event_key
                from evidence inner join hubs on lower = hubs.node
            )
        select min(example_event_key)
        from counterparts
        group by node, other
        qualify row_number() over (partition by node order by other) <= $1 + 1
        """,
        [config.identity.hub_limit],
    )
    _collect_uses_of_earlier_names(connection)
    _collect_consents(connection)


def _collect_uses_of_earlier_names(connection: duckdb.DuckDBPyConnection) -> None:
    """Whether an alias speaks of a user or of a browser is decided by how the name is used."""
    connection.execute(
        """
        create or replace temp table audit_earlier as
        select distinct previous_id as value
        from raw.events
        semi join audit_keys using (dedupe_key)
        where previous_id is not null;

        insert into audit_keys
        select dedupe_key
        from raw.events
        semi join (
            select value from audit_earlier
            anti join audit_mute on audit_mute.node in ('user_id' || chr(31) || value,
                'anonymous_id' || chr(31) || value)
        ) as earlier on earlier.value = user_id
        union
        select dedupe_key
        from raw.events
        semi join (
            select value from audit_earlier
            anti join audit_mute on audit_mute.node in ('user_id' || chr(31) || value,
                'anonymous_id' || chr(31) || value)
        ) as earlier on earlier.value = anonymous_id
        union
        -- of a name that everybody sends one use is enough
        select min(event_key) from intermediate.int_events
        semi join audit_earlier on user_id = audit_earlier.value
        where trust <> 'public'
        group by user_id
        union
        select min(event_key) from intermediate.int_events
        semi join audit_earlier on anonymous_id = audit_earlier.value
        group by anonymous_id
        """
    )


def _collect_consents(connection: duckdb.DuckDBPyConnection) -> None:
    """A ledger's word on any name of any copy can withhold the event, a hub's name too."""
    connection.execute(
        """
        create or replace temp table audit_copies as
        select distinct user_id, anonymous_id, device_id
        from raw.events
        semi join audit_keys using (dedupe_key)
        """
    )
    for column in ("user_id", "anonymous_id", "device_id"):
        connection.execute(
            f"""
            insert into audit_keys
            select dedupe_key
            from raw.events
            semi join audit_copies on raw.events.{column} = audit_copies.{column}
            anti join (
                select node from intermediate.int_identity_nodes where rule = 'null_like'
            ) as nobody on nobody.node = '{column}' || chr(31) || raw.events.{column}
            where record_kind = 'consent'
            """
        )
