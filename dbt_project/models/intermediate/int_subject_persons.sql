{{ config(materialized='by_key', key='subject_key') }}

{#- Whom each subject names. The highest usable kind wins; the other identifiers are evidence only. -#}
with
    usable as (
        select identifiers.subject_key, identifiers.kind_priority, identifiers.kind, identifiers.value, nodes.person_id
        from {{ ref('int_subject_identifiers') }} as identifiers
        inner join
            {{ ref('int_identity_nodes') }} as nodes
            on identifiers.kind = nodes.kind
            and identifiers.value = nodes.value
            {{ only_touched('identifiers.subject_key') }}
        where not nodes.is_set_aside and not identifiers.is_evidence_only
    )

select
    subjects.subject_key,
    subjects.is_device_sent,
    min_by(usable.person_id, {kind_priority:usable.kind_priority, kind:usable.kind, value:usable.value}) filter (
        usable.kind_priority <= 4
    ) as person_id,
    -- a device is known by the person id it would have on its own
    min_by(usable.person_id, {kind_priority:usable.kind_priority, kind:usable.kind, value:usable.value}) filter (
        usable.kind_priority >= 5
    ) as device_key
from {{ ref('int_subjects') }} as subjects
left join usable on subjects.subject_key = usable.subject_key {{ only_touched('subjects.subject_key') }}
group by
    subjects.subject_key,
    subjects.is_device_sent

    {% call touched() %}
    select subject_key
    from {{ changes(ref('int_subjects'), ['subject_key', 'is_device_sent']) }}
    union all
    select subject_key
    from {{ changes(ref('int_subject_identifiers'), ['subject_key', 'kind', 'value', 'is_evidence_only']) }}
    union all
    select identifiers.subject_key
    from {{ ref('int_subject_identifiers') }} as identifiers
    semi join
        {{ changes(ref('int_identity_nodes'), ['kind', 'value', 'person_id', 'is_set_aside']) }} as nodes
        on identifiers.kind = nodes.kind
        and identifiers.value = nodes.value
    {% endcall %}
