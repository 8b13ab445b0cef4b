{{ config(materialized='by_key', key='event_key', rows_of='int_events') }}

{#- The distinct ways events name their subject. Identity is decided once per subject, not per event.

    Public sources (keys anyone can read) cannot verify an e-mail address. The previous_id of an alias is a
    device's id when some event used it as an anonymous_id and no trusted event as a user_id, or when the alias
    came from a public source; otherwise, from a trusted source, it is an earlier user_id. A trusted alias of a
    device stands for the device at its time, as if the device had sent it; when it names a device of its own
    the two are one. A public alias that names a device of its own adds nothing. -#}
with
    events as (select * from {{ touched_rows_by_log(ref('int_events'), 'event_key') }} as events),

    claims as (
        select
            event_key,
            event_id,
            source,
            record_kind,
            occurred_at,
            occurred_date,
            is_interactive,
            is_logout,
            user_id,
            external_ids,
            case when email_verified is true and trust <> 'public' then email_token end as email_token,
            phone_token,
            anonymous_id,
            device_id,
            trust <> 'public' as is_trusted,
            surface <> 'backend' as is_device_sent,
            case when event_type = 'alias' then previous_id end as previous_id
        from events
    ),

    aliases as (select distinct previous_id from claims where previous_id is not null),

    used_as_user as (
        select distinct events.user_id as value
        from {{ ref('int_events') }} as events
        semi join aliases on events.user_id = aliases.previous_id
        where events.trust <> 'public'
    ),

    used_as_device as (
        select distinct events.anonymous_id as value
        from {{ ref('int_events') }} as events
        semi join aliases on events.anonymous_id = aliases.previous_id
    ),

    placed as (
        select
            claims.* exclude (previous_id, anonymous_id),
            case
                when claims.previous_id is null
                then null
                when not claims.is_trusted
                then 'device'
                when used_as_device.value is not null and used_as_user.value is null
                then 'device'
                else 'user'
            end as previous_role,
            claims.previous_id,
            claims.anonymous_id
        from claims
        left join used_as_user on claims.previous_id = used_as_user.value
        left join used_as_device on claims.previous_id = used_as_device.value
    ),

    named as (
        select
            * exclude (anonymous_id, previous_id, previous_role, is_device_sent),
            coalesce(anonymous_id, case when previous_role = 'device' then previous_id end) as anonymous_id,
            case
                when previous_role = 'device' and is_trusted and anonymous_id is not null then previous_id
            end as previous_anonymous_id,
            case when previous_role = 'user' then previous_id end as previous_user_id,
            is_device_sent or (is_trusted and coalesce(previous_role = 'device', false)) as is_device_sent
        from placed
    )

select
    event_key,
    event_id,
    is_interactive,
    is_logout,
    md5(
        concat_ws(
            chr(31),
            source,
            record_kind,
            coalesce(user_id, chr(30)),
            coalesce(external_ids, chr(30)),
            coalesce(email_token, chr(30)),
            coalesce(phone_token, chr(30)),
            coalesce(anonymous_id, chr(30)),
            coalesce(device_id, chr(30)),
            coalesce(previous_anonymous_id, chr(30)),
            coalesce(previous_user_id, chr(30)),
            is_trusted,
            is_device_sent
        )
    ) as subject_key,
    source,
    record_kind,
    occurred_at,
    occurred_date,
    user_id,
    external_ids,
    email_token,
    phone_token,
    anonymous_id,
    device_id,
    previous_anonymous_id,
    previous_user_id,
    is_trusted,
    is_device_sent
from
    named

    {% call touched() %}
    {%- set named = [
        'event_key', 'event_id', 'source', 'record_kind', 'occurred_at', 'occurred_date', 'is_interactive', 'is_logout',
        'event_type', 'trust', 'surface', 'user_id', 'external_ids', 'email_token', 'email_verified', 'phone_token', 'anonymous_id', 'device_id',
        'previous_id'
    ] %}
    select event_key
    from {{ changes(ref('int_events'), named) }}
    union all
    -- what an alias calls the earlier name is a user's or a device's by how it is used elsewhere
    select event_key
    from {{ ref('int_events') }}
    where
        event_type = 'alias'
        and previous_id in (
            select user_id
            from {{ changes(ref('int_events'), ['event_key', 'user_id', 'trust']) }}
            where user_id is not null
            union all
            select anonymous_id
            from {{ changes(ref('int_events'), ['event_key', 'anonymous_id']) }}
            where anonymous_id is not null
        )
    {% endcall %}
