{{ config(
    meta={'dagster': {'ref': {'name': 'int_identity_nodes'}}},
) }}

{#- A wrong rule, a test account or a constant sent as an id can make one person, or one device, of thousands. The
    message names the identifier most of the evidence hangs on, and the latest of that evidence. -#}
with
    nodes as (
        select kind, value, person_id, kind_priority >= 5 as is_device
        from {{ ref('int_identity_nodes') }}
        where person_id is not null and events > 0
    ),

    sizes as (
        select
            is_device,
            person_id,
            count(*) as identifiers,
            count(*) / sum(count(*)) over (partition by is_device) as share
        from nodes
        group by is_device, person_id
    ),

    swallowed as (
        select *
        from sizes
        where identifiers > {{ var('tl_identity').hub_limit }} and share > {{ var('tl_identity').largest_share }}
    ),

    evidence as (
        select swallowed.person_id, evidence.*
        from {{ ref('int_identity_evidence') }} as evidence
        inner join nodes on evidence.higher_kind = nodes.kind and evidence.higher_value = nodes.value
        inner join
            nodes as lower_nodes
            on evidence.lower_kind = lower_nodes.kind
            and evidence.lower_value = lower_nodes.value
            and nodes.person_id = lower_nodes.person_id
        inner join swallowed on nodes.person_id = swallowed.person_id and nodes.is_device = swallowed.is_device
        where evidence.is_trusted or nodes.is_device
    ),

    ends as (
        select person_id, higher_kind || ':' || higher_value as identifier, lower_kind || ':' || lower_value as other
        from evidence
        union
        select person_id, lower_kind || ':' || lower_value, higher_kind || ':' || higher_value
        from evidence
    ),

    centres as (
        select person_id, identifier, count(*) as others
        from ends
        group by person_id, identifier
        qualify row_number() over (partition by person_id order by count(*) desc, identifier) = 1
    ),

    latest as (
        select
            person_id,
            evidence
            || ' of '
            || source
            || ' between '
            || higher_kind
            || ':'
            || higher_value
            || ' and '
            || lower_kind
            || ':'
            || lower_value
            || coalesce(' (event_key ' || example_event_key || ')', '') as said
        from evidence
        qualify
            row_number() over (
                partition by person_id
                order by first_seen_at desc, higher_kind, higher_value, lower_kind, lower_value, evidence, source
            )
            = 1
    ),

    named as (
        select
            swallowed.person_id,
            swallowed.person_id
            || ' holds '
            || swallowed.identifiers
            || ' identifiers, '
            || round(100 * swallowed.share, 1)
            || ' % of all. '
            || centres.others
            || ' of them hang on '
            || centres.identifier
            || '; the latest evidence is '
            || latest.said as said
        from swallowed
        left join centres on swallowed.person_id = centres.person_id
        left join latest on swallowed.person_id = latest.person_id
    )

select person_id, said
from named
where {{ fail_with("'Identity: ' || coalesce(said, person_id)") }} is null
