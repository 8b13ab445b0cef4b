{{ config(materialized='by_key', key=['node_a', 'node_b']) }}

{#- What may merge symmetrically: user_ids through trusted aliases, the identifiers of one device, external
    customer ids none of which any user_id claims, and what somebody said is one. Lower identifiers never connect
    higher ones: they join afterwards, one level at a time (int_identity_nodes). A user_id claims an external id that
    was seen with it, and one that somebody linked to it, over whatever steps. -#}
with recursive
    links as (select * from {{ ref('int_identity_links') }}),

    overrides as (
        select
            higher_kind || chr(31) || higher_value as node_a,
            lower_kind || chr(31) || lower_value as node_b,
            higher_kind
        from {{ ref('int_identity_evidence') }}
        where evidence = 'link' and not is_null_like
    ),

    claimed_by_hand as (
        select node_b as node
        from overrides
        where higher_kind = 'user_id'
        union
        select case when overrides.node_a = claimed.node then overrides.node_b else overrides.node_a end
        from overrides
        inner join claimed_by_hand as claimed on claimed.node in (overrides.node_a, overrides.node_b)
    ),

    claimed_externals as (
        select lower_node as node
        from links
        where higher_priority = 1 and lower_priority = 2
        union
        select node
        from claimed_by_hand
    ),

    edges as (
        select higher_node as node_a, lower_node as node_b, false as is_override
        from links
        where is_device or (higher_priority = 1 and lower_priority = 1)

        union all

        select links.higher_node, links.lower_node, false
        from links
        anti join claimed_externals on links.higher_node = claimed_externals.node
        anti join claimed_externals as claimed_lower on links.lower_node = claimed_lower.node
        where links.higher_priority = 2 and links.lower_priority = 2

        union all

        select node_a, node_b, true
        from overrides
    )

select node_a, node_b, bool_or(is_override) as is_override
from edges {{ only_touched('edges.node_a', 'edges.node_b') }}
group by
    node_a,
    node_b

    {% call touched() %}
    with
        said as (
            select higher_kind || chr(31) || higher_value as node_a, lower_kind || chr(31) || lower_value as node_b
            from
                {{ changes(ref('int_identity_evidence'), ['higher_kind', 'higher_value', 'lower_kind', 'lower_value', 'evidence', 'source', 'is_null_like']) }}
            where evidence = 'link'
        ),

        -- whether a user claims an external id decides about all its edges to other external ids; a claim by hand
        -- goes over steps of any number, so that every external id may be meant
        claimed as (
            select lower_node as node
            from {{ any_change(ref('int_identity_links'), ['lower_node', 'higher_priority', 'lower_priority']) }}
            where higher_priority = 1 and lower_priority = 2
            union
            select lower_node
            from {{ ref('int_identity_links') }}
            where higher_priority = 2 and lower_priority = 2 and exists (select 1 from said)
        )

    select higher_node, lower_node
    from {{ any_change(ref('int_identity_links'), ['higher_node', 'lower_node']) }}
    union all
    select node_a, node_b
    from said
    {% for end in ['higher', 'lower'] %}
        union all
        select links.higher_node, links.lower_node
        from {{ ref('int_identity_links') }} as links
        semi join claimed on links.{{ end }}_node = claimed.node
        where links.higher_priority = 2 and links.lower_priority = 2
    {% endfor %}
    {% endcall %}
