{{ config(materialized='by_key', key='subject_key') }}

{#- Every identifier any subject names. Null-like values are listed with that reason and never link. -#}
with
    subjects as (select * from {{ ref('int_subjects') }} as subjects {{ only_touched('subjects.subject_key') }}),

    -- a namespace is the sender's text: it is read as a key, never spliced into a JSON path
    externals as (
        select subject_key, unnest(map_entries(cast(cast(external_ids as json) as map(varchar, varchar)))) as entry
        from subjects
    ),

    -- what an alias calls the earlier name is evidence only, where the event has a name of its own of that kind
    listed as (
        select subject_key, 'user_id' as kind, user_id as value, false as is_evidence_only
        from subjects
        union all
        select subject_key, 'user_id', previous_user_id, user_id is not null
        from subjects
        union all
        select subject_key, 'external:' || entry.key, entry.value, false
        from externals
        union all
        select subject_key, 'email', email_token, false
        from subjects
        union all
        select subject_key, 'phone', phone_token, false
        from subjects
        union all
        select subject_key, 'anonymous_id', anonymous_id, false
        from subjects
        union all
        select subject_key, 'anonymous_id', previous_anonymous_id, true
        from subjects
        union all
        select subject_key, 'device_id', device_id, false
        from subjects
    ),

    -- an alias of a name to itself names it once
    named as (
        select subject_key, kind, value, bool_and(is_evidence_only) as is_evidence_only
        from listed
        where value is not null
        group by subject_key, kind, value
    )

select
    named.subject_key,
    named.kind,
    {{ kind_priority('named.kind') }} as kind_priority,
    named.value,
    {{ is_null_like('named.value') }} as is_null_like,
    named.is_evidence_only,
    subjects.source,
    subjects.record_kind,
    subjects.is_trusted,
    subjects.is_device_sent,
    subjects.first_seen_at,
    subjects.last_seen_at,
    subjects.events,
    subjects.example_event_key
from named
inner join
    subjects on named.subject_key = subjects.subject_key

    {% call touched() %}
    select subject_key
    from {{ any_change(ref('int_subjects'), ['subject_key']) }}
    {% endcall %}
