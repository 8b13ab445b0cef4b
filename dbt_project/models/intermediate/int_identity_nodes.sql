{#- Every identifier with the root that stands for its component, or the reason it was set aside.

    Levels are joined from the strongest kind down. An identifier directly evidenced with exactly one higher
    component joins it; with two or more it is set aside (`conflict`), so it can never carry a merge; with none
    it stands for itself (external ids: with the others that no user_id claims). -#}
with
    identifiers as (
        select
            kind,
            kind_priority,
            value,
            kind || chr(31) || value as node,
            bool_or(is_null_like) as is_null_like,
            min(first_seen_at) as first_seen_at,
            max(last_seen_at) as last_seen_at,
            sum(events) as events
        from {{ ref('int_subject_identifiers') }}
        group by all
    ),

    hubs as (select * from {{ ref('int_identity_hubs') }}),

    links as (select * from {{ ref('int_identity_links') }}),

    components as (select * from {{ ref('int_identity_components') }}),

    judged as (
        select
            identifiers.*,
            case when identifiers.is_null_like then 'null_like' when hubs.kind is not null then 'hub' end as set_aside
        from identifiers
        left join hubs on identifiers.kind = hubs.kind and identifiers.value = hubs.value
    ),

    -- the smallest (kind priority, kind, value) of each symmetric component stands for it
    merged as (
        select
            judged.*,
            coalesce(
                min({kind_priority:judged.kind_priority, kind:judged.kind, value:judged.value}) over (
                    partition by coalesce('c' || components.component, judged.node)
                )
            ) as root
        from judged
        left join components on judged.node = components.node
        where judged.set_aside is null
    ),

    users as (
        select node, root, case when root.value = value then 'user' else 'alias' end as rule
        from merged
        where kind_priority = 1
    ),

    external_evidence as (
        select links.lower_node as node, min(users.root) as root, count(distinct users.root) as roots
        from links
        inner join users on links.higher_node = users.node
        where links.lower_priority = 2
        group by links.lower_node
    ),

    externals as (
        select
            merged.node,
            coalesce(external_evidence.root, merged.root) as root,
            case
                when external_evidence.roots > 1
                then 'conflict'
                when external_evidence.roots = 1
                then 'joined'
                else 'own'
            end as rule
        from merged
        left join external_evidence on merged.node = external_evidence.node
        where merged.kind_priority = 2
    ),

    above_email as (
        select node, root
        from users
        union all
        select node, root
        from externals
        where rule <> 'conflict'
    ),

    email_evidence as (
        select links.lower_node as node, min(above_email.root) as root, count(distinct above_email.root) as roots
        from links
        inner join above_email on links.higher_node = above_email.node
        where links.lower_priority = 3
        group by links.lower_node
    ),

    emails as (
        select
            merged.node,
            coalesce(email_evidence.root, merged.root) as root,
            case
                when email_evidence.roots > 1 then 'conflict' when email_evidence.roots = 1 then 'joined' else 'own'
            end as rule
        from merged
        left join email_evidence on merged.node = email_evidence.node
        where merged.kind_priority = 3
    ),

    above_phone as (
        select node, root
        from above_email
        union all
        select node, root
        from emails
        where rule <> 'conflict'
    ),

    phone_evidence as (
        select links.lower_node as node, min(above_phone.root) as root, count(distinct above_phone.root) as roots
        from links
        inner join above_phone on links.higher_node = above_phone.node
        where links.lower_priority = 4
        group by links.lower_node
    ),

    phones as (
        select
            merged.node,
            coalesce(phone_evidence.root, merged.root) as root,
            case
                when phone_evidence.roots > 1 then 'conflict' when phone_evidence.roots = 1 then 'joined' else 'own'
            end as rule
        from merged
        left join phone_evidence on merged.node = phone_evidence.node
        where merged.kind_priority = 4
    ),

    resolved as (
        select node, root, rule
        from users
        union all
        select node, root, rule
        from externals
        union all
        select node, root, rule
        from emails
        union all
        select node, root, rule
        from phones
        union all
        select node, root, 'device' as rule
        from merged
        where kind_priority >= 5
    )

select
    judged.kind,
    judged.kind_priority,
    judged.value,
    coalesce(judged.set_aside, resolved.rule) as rule,
    judged.set_aside is not null or resolved.rule = 'conflict' as is_set_aside,
    case
        when not (judged.set_aside is not null or resolved.rule = 'conflict')
        then {{ person_id('resolved.root.kind', 'resolved.root.value') }}
    end as person_id,
    judged.first_seen_at,
    judged.last_seen_at,
    judged.events
from judged
left join resolved on judged.node = resolved.node
