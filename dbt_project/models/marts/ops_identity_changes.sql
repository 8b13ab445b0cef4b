{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false, on_schema_change='append_new_columns') }}

{#- The log of who an identifier stood for: what the last build found against what the builds before it found. It is
    the one model here that depends on the history of builds; nothing is computed from it. -#}
with
    nodes as (
        select kind, value, person_id, rule, root_kind, root_value, via_kind, via_value
        from {{ ref('int_identity_nodes') }}
    ),

    {% if is_incremental() %}
        before as (
            select kind, value, new_person_id as person_id, change_number, cause
            from {{ this }}
            qualify row_number() over (partition by kind, value order by change_number desc) = 1
        ),
    {% else %}
        before as (
            select
                cast(null as varchar) as kind,
                cast(null as varchar) as value,
                cast(null as varchar) as person_id,
                cast(0 as bigint) as change_number,
                cast(null as varchar) as cause
            where false
        ),
    {% endif %}

    changes as (
        select
            coalesce(nodes.kind, before.kind) as kind,
            coalesce(nodes.value, before.value) as value,
            before.person_id as old_person_id,
            nodes.person_id as new_person_id,
            nodes.rule,
            nodes.root_kind,
            nodes.root_value,
            nodes.via_kind,
            nodes.via_value,
            before.kind is null as is_new,
            nodes.kind is null and before.cause <> 'gone' as is_gone,
            count(distinct before.person_id) over (partition by nodes.person_id) as persons_before,
            count(distinct nodes.person_id) over (partition by before.person_id) as persons_after
        from nodes
        full join before on nodes.kind = before.kind and nodes.value = before.value
    ),

    -- the latest piece of evidence that speaks for, or against, an identifier is what changed it
    sides as (
        select higher_kind as kind, higher_value as value, *
        from {{ ref('bridge_identity_evidence') }}
        where set_aside_reason is distinct from 'interval'
        union all
        select lower_kind, lower_value, *
        from {{ ref('bridge_identity_evidence') }}
        where set_aside_reason is distinct from 'interval'
    ),

    decisive as (
        select
            kind,
            value,
            max_by(
                to_json(
                    {
                        higher:higher_kind || ':' || higher_value,
                        lower:lower_kind || ':' || lower_value,
                        evidence:evidence,
                        source:source,
                        is_used:is_used,
                        set_aside_reason:set_aside_reason,
                        event_key:example_event_key
                    }
                ),
                {
                    ts:first_seen_at,
                    a:higher_kind,
                    b:higher_value,
                    c:lower_kind,
                    d:lower_value,
                    e:evidence,
                    f:source,
                    g:is_trusted
                }
            ) as evidence
        from sides
        group by kind, value
    )

select
    {% if is_incremental() -%} (select coalesce(max(change_number), 0) from {{ this }}) + {% endif -%}
    row_number() over (order by changes.kind, changes.value) as change_number,
    changes.kind,
    changes.value,
    changes.old_person_id,
    changes.new_person_id,
    case
        when changes.is_new
        then 'first_seen'
        when changes.is_gone
        then 'gone'
        when changes.new_person_id is null
        then 'set_aside'
        when changes.old_person_id is null
        then 'restored'
        when changes.persons_before > 1 and changes.persons_after > 1
        then 'regrouped'
        when changes.persons_before > 1
        then 'merged'
        when changes.persons_after > 1
        then 'split'
        else 'renamed'
    end as cause,
    changes.rule,
    cast(decisive.evidence as varchar) as evidence,
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp) as changed_at,
    '{{ invocation_id }}' as build_id
from changes
left join decisive on changes.kind = decisive.kind and changes.value = decisive.value
where changes.is_new or changes.is_gone or changes.old_person_id is distinct from changes.new_person_id
