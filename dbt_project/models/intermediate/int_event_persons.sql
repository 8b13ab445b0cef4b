{{ config(materialized='by_key', key='track') }}

{#- Who did each event, and the rule that says so (one row per canonical event).

    An event that names a usable person identifier is known (`direct`). Any other event of a device is placed
    between the nearest known events the device itself sent, ordered by (occurred_at, rank, event_id) with rank
    known 0, other 1, logout 2. Instead of two IGNORE NULLS windows the known events of a device are numbered: the
    previous one of an event has its running count, the next one that count plus one, so both are equi-joins
    and only unknown events pay for them.

    A pause is a distance longer than the handover gap between consecutive events the device itself sent. Events
    a server sent about a device ride along: they neither break nor bridge a pause. -#}
{%- set gap = var('tl_identity').handover_gap_seconds -%}
with
    events as (
        select
            subjects.event_key,
            subjects.event_id,
            subjects.occurred_at,
            subjects.occurred_date,
            subjects.is_interactive,
            subjects.is_logout,
            persons.person_id as known_person_id,
            persons.device_key,
            persons.is_device_sent
        from
            {# the events of touched devices, and touched events, which are of no device -#}
            {% set of_devices -%}
                (
                    select persons.subject_key
                    from {{ ref('int_subject_persons') }} as persons
                    semi join touched on persons.device_key = touched.key_1
                )
            {%- endset -%}
            {%- set of_no_device -%}
                (select key_1 from touched anti join {{ ref('int_subject_persons') }} as persons on touched.key_1 = persons.device_key)
            {%- endset -%}
            {%- call in_increment() -%}
            (
                select subjects.*
                from {{ ref('int_event_subjects') }} as subjects
                semi join {{ of_devices }} as wanted on subjects.subject_key = wanted.subject_key
                union all by name
                select subjects.*
                from
            {%- endcall %}
            {{ touched_rows_by_log(ref('int_event_subjects'), 'event_key', of=of_no_device) }}
            {%- call in_increment() %} as subjects
                anti join {{ of_devices }} as wanted on subjects.subject_key = wanted.subject_key
            )
            {%- endcall %} as subjects
        inner join
            {{ ref('int_subject_persons') }} as persons on subjects.subject_key = persons.subject_key
            {{ only_touched('coalesce(persons.device_key, subjects.event_key)') }}
    ),

    without_device as (
        select
            event_key,
            event_id,
            occurred_at,
            occurred_date,
            is_interactive,
            known_person_id as person_id,
            case when known_person_id is null then 'none' else 'direct' end as identity_rule,
            device_key,
            is_device_sent
        from events
        where device_key is null
    ),

    ordered as (
        select *, case when is_logout then 2 when known_person_id is not null then 0 else 1 end as rank
        from events
        where device_key is not null
    ),

    spaced as (
        select
            *,
            max(case when is_device_sent then occurred_at end) over (
                partition by device_key
                order by occurred_at, rank, event_id, event_key
                rows between unbounded preceding and 1 preceding
            ) as last_sent_at
        from ordered
    ),

    flagged as (
        select
            *,
            is_device_sent and known_person_id is not null as is_anchor,
            coalesce(occurred_at - last_sent_at > interval '{{ gap }} seconds', false) as is_after_pause
        from spaced
    ),

    numbered as (
        select
            *,
            coalesce(sum(cast(is_anchor as int)) over before, 0) as anchors_before,
            coalesce(sum(cast(is_device_sent and is_logout as int)) over before, 0) as logouts_before,
            coalesce(sum(cast(is_device_sent and is_after_pause as int)) over before, 0) as pauses_before
        from flagged
        window
            before as (
                partition by device_key
                order by occurred_at, rank, event_id, event_key
                rows between unbounded preceding and 1 preceding
            )
    ),

    anchors as (
        select
            device_key,
            anchors_before + 1 as anchor,
            known_person_id as person_id,
            logouts_before,
            pauses_before + cast(is_after_pause as int) as pauses
        from numbered
        where is_anchor
    ),

    kiosks as (
        select device_key
        from anchors
        group by device_key
        having count(distinct person_id) > {{ var('tl_identity').kiosk_limit }}
    ),

    placed as (
        select
            numbered.event_key,
            numbered.event_id,
            numbered.occurred_at,
            numbered.occurred_date,
            numbered.is_interactive,
            numbered.device_key,
            numbered.is_device_sent,
            previous.person_id as previous_person_id,
            following.person_id as next_person_id,
            -- a logout that is itself the previous known event counts: it lies at or after that event
            numbered.logouts_before > previous.logouts_before as is_logged_out,
            numbered.pauses_before + cast(numbered.is_after_pause as int) > previous.pauses as is_paused,
            kiosks.device_key is not null as is_kiosk
        from numbered
        left join
            anchors as previous
            on numbered.device_key = previous.device_key
            and numbered.anchors_before = previous.anchor
        left join
            anchors as following
            on numbered.device_key = following.device_key
            and numbered.anchors_before + 1 = following.anchor
        left join kiosks on numbered.device_key = kiosks.device_key
        where numbered.known_person_id is null
    ),

    ruled as (
        select
            event_key,
            event_id,
            occurred_at,
            occurred_date,
            is_interactive,
            device_key,
            is_device_sent,
            previous_person_id,
            next_person_id,
            case
                when is_kiosk and previous_person_id is not null and not is_logged_out and not is_paused
                then 'carry'
                when is_kiosk
                then 'kiosk'
                when previous_person_id is null and next_person_id is null
                then 'anonymous'
                when previous_person_id is null
                then 'backfill'
                when next_person_id is null and is_logged_out
                then 'anonymous'
                when next_person_id is null
                then 'carry'
                when previous_person_id = next_person_id and is_logged_out
                then 'rejoin'
                when previous_person_id = next_person_id
                then 'carry'
                when is_logged_out
                then 'logout_to_next'
                when is_paused
                then 'gap_to_next'
                else 'carry'
            end as identity_rule
        from placed
    )

select
    event_key,
    event_id,
    occurred_at,
    occurred_date,
    is_interactive,
    person_id,
    identity_rule,
    device_key,
    is_device_sent,
    event_key as track
from without_device

union all

select
    event_key,
    event_id,
    occurred_at,
    occurred_date,
    is_interactive,
    known_person_id,
    'direct',
    device_key,
    is_device_sent,
    device_key
from ordered
where known_person_id is not null

union all

select
    event_key,
    event_id,
    occurred_at,
    occurred_date,
    is_interactive,
    case
        identity_rule
        when 'carry'
        then previous_person_id
        when 'rejoin'
        then previous_person_id
        when 'backfill'
        then next_person_id
        when 'logout_to_next'
        then next_person_id
        when 'gap_to_next'
        then next_person_id
        else device_key
    end,
    identity_rule,
    device_key,
    is_device_sent,
    device_key
from
    ruled

    {% call touched() %}
    {%- set seen = [
        'event_key', 'event_id', 'subject_key', 'occurred_at', 'occurred_date', 'is_interactive', 'is_logout'
    ] %}
    with
        -- events whose subject now stands for somebody else
        reassigned as (
            select subjects.event_key, subjects.subject_key
            from {{ ref('int_event_subjects') }} as subjects
            semi join {{ altered(ref('int_subject_persons'), 'subject_key') }} as persons on subjects.subject_key = persons.subject_key
        ),

        changed as (
            select event_key
            from {{ changes(ref('int_event_subjects'), seen) }}
            union
            select event_key
            from reassigned
        ),

        standing as (
            select event_key, subject_key
            from {{ came(ref('int_event_subjects'), seen) }}
            union all
            select event_key, subject_key
            from reassigned
        )

    -- the device it was on
    select persons.track
    from {{ this }} as persons
    semi join
        (
            select changed.event_key
            from changed
            anti join {{ new_keys(ref('int_event_subjects'), 'event_key') }} as unseen on changed.event_key = unseen.event_key
        ) as known
        on persons.event_key = known.event_key
    union all
    -- the device it is on
    select coalesce(persons.device_key, standing.event_key)
    from standing
    inner join {{ ref('int_subject_persons') }} as persons on standing.subject_key = persons.subject_key
    {% endcall %}
