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
from edges
group by node_a, node_b
