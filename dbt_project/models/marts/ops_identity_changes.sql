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
            nodes.kind is not null and before.cause = 'gone' as is_back,
            count(distinct before.person_id) over (partition by nodes.person_id) as persons_before,
            count(distinct nodes.person_id) over (partition by before.person_id) as persons_after
        from nodes
        full join before on nodes.kind = before.kind and nodes.value = before.value
    ),

    changed as (
        select * from changes where is_new or is_gone or is_back or old_person_id is distinct from new_person_id
    ),

    -- the latest piece of evidence that speaks for, or against, an identifier is what changed it
    evidence as (
        select * from {{ ref('bridge_identity_evidence') }} where set_aside_reason is distinct from 'interval'
    ),

    sides as (
        select changed.kind, changed.value, evidence.*
        from evidence
        inner join changed on evidence.higher_kind = changed.kind and evidence.higher_value = changed.value
        union all
        select changed.kind, changed.value, evidence.*
        from evidence
        inner join changed on evidence.lower_kind = changed.kind and evidence.lower_value = changed.value
    ),

    decisive as (
        select *
        from sides
        qualify
            row_number() over (
                partition by kind, value
                order by
                    first_seen_at desc,
                    higher_kind desc,
                    higher_value desc,
                    lower_kind desc,
                    lower_value desc,
                    evidence desc,
                    source desc,
                    is_trusted desc
            )
            = 1
    )

select
    {% if is_incremental() -%} (select coalesce(max(change_number), 0) from {{ this }}) + {% endif -%}
    row_number() over (order by changed.kind, changed.value) as change_number,
    changed.kind,
    changed.value,
    changed.old_person_id,
    changed.new_person_id,
    case
        when changed.is_new
        then 'first_seen'
        when changed.is_gone
        then 'gone'
        when changed.new_person_id is null
        then 'set_aside'
        when changed.old_person_id is null
        then 'restored'
        when changed.persons_before > 1 and changed.persons_after > 1
        then 'regrouped'
        when changed.persons_before > 1
        then 'merged'
        when changed.persons_after > 1
        then 'split'
        else 'renamed'
    end as cause,
    changed.rule,
    cast(
        case
            when decisive.kind is not null
            then
                to_json(
                    {
                        higher:decisive.higher_kind || ':' || decisive.higher_value,
                        lower:decisive.lower_kind || ':' || decisive.lower_value,
                        evidence:decisive.evidence,
                        source:decisive.source,
                        is_used:decisive.is_used,
                        set_aside_reason:decisive.set_aside_reason,
                        event_key:decisive.example_event_key
                    }
                )
        end as varchar
    ) as evidence,
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp) as changed_at,
    '{{ invocation_id }}' as build_id
from changed
left join decisive on changed.kind = decisive.kind and changed.value = decisive.value
