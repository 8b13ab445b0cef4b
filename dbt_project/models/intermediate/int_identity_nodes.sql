{{ config(materialized='by_key', key='node') }}

{#- Every identifier with the root that stands for its group, or the reason it was set aside.

    A group is a component (int_identity_components), or an identifier alone; its smallest (kind priority, kind,
    value) is its root and the root's kind its level. Groups with a user_id are persons. The others join level by
    level, from the strongest kind down: evidenced with exactly one higher person a group joins it, with two or
    more it is set aside (`conflict`), so it can never carry a merge, with none it stands for itself. A group is
    never joined to a person that holds an identifier it was said not to be one with; of two groups of one level
    that were said to be two, the one with the greater root is set aside. -#}
with
    named as (
        select
            kind,
            kind_priority,
            value,
            bool_or(is_null_like) as is_null_like,
            min(first_seen_at) as first_seen_at,
            max(last_seen_at) as last_seen_at,
            sum(events) as events
        from
            {{ ref('int_subject_identifiers') }} as identifiers
            {{ only_touched("identifiers.kind || chr(31) || identifiers.value") }}
        group by all
    ),

    overrides as (
        select
            higher_kind || chr(31) || higher_value as node_a,
            lower_kind || chr(31) || lower_value as node_b,
            higher_kind,
            higher_priority,
            higher_value,
            lower_kind,
            lower_priority,
            lower_value,
            is_null_like
        from {{ ref('int_identity_evidence') }}
        where evidence = 'link'
    ),

    -- what somebody linked takes part before it was ever seen
    ends as (
        select higher_kind as kind, higher_priority as kind_priority, higher_value as value
        from overrides
        where not is_null_like
        union
        select lower_kind, lower_priority, lower_value
        from overrides
        where not is_null_like
    ),

    identifiers as (
        select *, kind || chr(31) || value as node
        from named
        union all
        select ends.kind, ends.kind_priority, ends.value, false, null, null, 0, ends.kind || chr(31) || ends.value
        from ends
        anti join
            named on ends.kind = named.kind and ends.value = named.value
            {{ only_touched("ends.kind || chr(31) || ends.value") }}
    ),

    links as (select * from {{ ref('int_identity_links') }} as links {{ only_touched('links.lower_node') }}),

    groups as (select * from {{ identity_components() }}),

    never as (
        select node_a as node, node_b as other
        from {{ ref('int_identity_never') }}
        union all
        select node_b, node_a
        from {{ ref('int_identity_never') }}
    ),

    -- links by hand that hold: a contested one does not
    held as (
        select overrides.node_a, overrides.node_b
        from overrides
        inner join groups as a on overrides.node_a = a.node
        inner join groups as b on overrides.node_b = b.node and a.component = b.component
        where not overrides.is_null_like
    ),

    linked_by_hand as (
        select node_a as node
        from held
        union
        select node_b
        from held
    ),

    judged as (
        select
            identifiers.*,
            linked_by_hand.node is not null as is_linked_by_hand,
            case
                when identifiers.is_null_like
                then 'null_like'
                -- somebody's word is above the guard
                when hubs.kind is not null and linked_by_hand.node is null
                then 'hub'
            end as set_aside
        from identifiers
        left join
            {{ ref('int_identity_hubs') }} as hubs on identifiers.kind = hubs.kind and identifiers.value = hubs.value
        left join linked_by_hand on identifiers.node = linked_by_hand.node
    ),

    grouped as (
        select
            judged.node,
            judged.kind_priority,
            judged.value,
            coalesce('c' || components.component, judged.node) as grp,
            min({kind_priority:judged.kind_priority, kind:judged.kind, value:judged.value}) over (
                partition by coalesce('c' || components.component, judged.node)
            ) as root
        from judged
        left join groups as components on judged.node = components.node
        where judged.set_aside is null
    ),

    level_1 as (
        select
            node,
            grp,
            root,
            root as own_root,
            cast(null as struct(kind_priority integer, kind varchar, value varchar)) as via,
            case when kind_priority > 1 then 'joined' when root.value = value then 'user' else 'alias' end as rule
        from grouped
        where root.kind_priority = 1
    ),
    {% for level in [2, 3, 4] %}

        above_{{ level }} as (
            {% for higher in range(1, level) -%}
                {% if not loop.first %}
                    union all
                {% endif -%}
                select node, root
                from level_{{ higher }}
                where rule not in ('conflict', 'never_link')
            {%- endfor %}
        ),

        said_to_be_two_{{ level }} as (
            select distinct grouped.grp, above_{{ level }}.root
            from never
            inner join grouped on never.node = grouped.node
            inner join above_{{ level }} on never.other = above_{{ level }}.node
            where grouped.root.kind_priority = {{ level }}
        ),

        evidence_{{ level }} as (
            select
                grouped.grp,
                min(above_{{ level }}.root) as root,
                count(distinct above_{{ level }}.root) as roots,
                min({kind_priority:links.higher_priority, kind:links.higher_kind, value:links.higher_value}) as via
            from links
            inner join grouped on links.lower_node = grouped.node
            inner join above_{{ level }} on links.higher_node = above_{{ level }}.node
            anti join said_to_be_two_{{ level }} as two on grouped.grp = two.grp and above_{{ level }}.root = two.root
            where grouped.root.kind_priority = {{ level }} and links.higher_priority < {{ level }}
            group by grouped.grp
        ),

        found_{{ level }} as (
            select
                grouped.node,
                grouped.grp,
                case when evidence_{{ level }}.roots = 1 then evidence_{{ level }}.root else grouped.root end as root,
                grouped.root as own_root,
                case when evidence_{{ level }}.roots = 1 then evidence_{{ level }}.via end as via,
                case
                    when evidence_{{ level }}.roots > 1
                    then 'conflict'
                    when evidence_{{ level }}.roots = 1
                    then 'joined'
                    else 'own'
                end as rule
            from grouped
            left join evidence_{{ level }} on grouped.grp = evidence_{{ level }}.grp
            where grouped.root.kind_priority = {{ level }}
        ),

        refused_{{ level }} as (
            select distinct greater.grp
            from never
            inner join found_{{ level }} as greater on never.node = greater.node
            inner join
                found_{{ level }} as smaller
                on never.other = smaller.node
                and greater.root = smaller.root
                and greater.grp <> smaller.grp
                and greater.own_root > smaller.own_root
            where greater.rule = 'joined' and smaller.rule = 'joined'
        ),

        level_{{ level }} as (
            select
                found.node,
                found.grp,
                found.root,
                found.own_root,
                found.via,
                case when refused.grp is not null then 'never_link' else found.rule end as rule
            from found_{{ level }} as found
            left join refused_{{ level }} as refused on found.grp = refused.grp
        ),
    {% endfor %}

    resolved as (
        {% for level in [1, 2, 3, 4] -%}
            select node, root, via, rule
            from level_{{ level }}
            union all
        {% endfor -%}
        select node, root, null, 'device' as rule
        from grouped
        where root.kind_priority >= 5
    ),

    ruled as (
        select
            judged.*,
            case when resolved.rule not in ('conflict', 'never_link') then resolved.root end as root,
            resolved.via,
            case
                when judged.set_aside is not null
                then judged.set_aside
                when resolved.rule in ('conflict', 'never_link')
                then resolved.rule
                when judged.is_linked_by_hand
                then 'linked'
                else resolved.rule
            end as rule
        from judged
        left join resolved on judged.node = resolved.node
    )

select
    node,
    kind,
    kind_priority,
    value,
    rule,
    root is null as is_set_aside,
    case when root is not null then {{ person_id('root.kind', 'root.value') }} end as person_id,
    root.kind as root_kind,
    root.value as root_value,
    via.kind as via_kind,
    via.value as via_value,
    first_seen_at,
    last_seen_at,
    cast(events as bigint) as events
from
    ruled

    {% call touched() %}
    -- whatever hangs together with what changed, over the links that stand, what was said to be two, and groups
    with recursive
        neighbours as materialized (
            select higher_node as node, lower_node as neighbour
            from {{ ref('int_identity_links') }}
            union all
            select lower_node, higher_node
            from {{ ref('int_identity_links') }}
            union all
            select node_a, node_b
            from {{ ref('int_identity_never') }}
            union all
            select node_b, node_a
            from {{ ref('int_identity_never') }}
            union all
            -- the group as a node of its own keeps the way short
            select node, 'group ' || component
            from {{ identity_components() }}
            union all
            select 'group ' || component, node
            from {{ identity_components() }}
        ),

        changed as (
            select kind || chr(31) || value as node
            from {{ any_change(ref('int_subject_identifiers'), ['kind', 'value']) }}
            {% for side in ['higher', 'lower'] %}
                union
                select {{ side }}_kind || chr(31) || {{ side }}_value
                from {{ any_change(ref('int_identity_evidence'), [side ~ '_kind', side ~ '_value', 'evidence']) }}
                where evidence in ('link', 'unlink')
                union
                select {{ side }}_node
                from {{ any_change(ref('int_identity_links'), [side ~ '_node']) }}
            {% endfor %}
            union
            select kind || chr(31) || value
            from {{ changes(ref('int_identity_hubs'), ['kind', 'value']) }}
            {% for end in ['node_a', 'node_b'] %}
                union
                select {{ end }}
                from {{ any_change(ref('int_identity_never'), [end]) }}
            {% endfor %}
            union
            select node
            from {{ any_change(identity_components(), ['node']) }}
            union
            -- whom it left, too
            select 'group ' || component
            from {{ any_change(identity_components(), ['component']) }}
        ),

        reached as (
            select node
            from changed
            union
            select neighbours.neighbour
            from reached
            inner join neighbours on reached.node = neighbours.node
        )

    select node
    from reached
    where not starts_with(node, 'group ')
    {% endcall %}
