{#- A table of connected components, by SQL alone: for engines where no Python model runs.

    The model's SQL gives pairs (node_a, node_b, is_override, is_never); the table is (node, component,
    is_contested), with the rules of int_identity_components. Randomized contraction (Bögeholz, Brand, Todor:
    In-database connected component analysis, ICDE 2020): in each round every node is represented by the one of
    its neighbours and itself that comes first in a pseudo-random order, edges are drawn between the
    representatives, loops and doubles dropped. About a quarter or more of the nodes goes each round, whatever the
    shape: a chain is no worse than a star. The label is the smallest node of the component in the end, so that
    chance decides how long it takes and never what comes out. -#}
{%- materialization connected_components, default -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks) }}

    {%- set pairs = components_step('pairs', sql) -%}
    {%- set names -%}
        select node, row_number() over (order by node) as number
        from (
            select node_a as node from {{ pairs }} where not is_never
            union
            select node_b from {{ pairs }} where not is_never
        ) as ends
    {%- endset -%}
    {%- set names = components_step('names', names) -%}
    {%- set numbered -%}
        select a.number as a, b.number as b, pairs.is_override, pairs.is_never
        from {{ pairs }} as pairs
        inner join {{ names }} as a on pairs.node_a = a.node
        inner join {{ names }} as b on pairs.node_b = b.node
    {%- endset -%}
    {%- set numbered = components_step('numbered', numbered) -%}

    {%- set whole = contract_components('whole', 'select a, b from ' ~ numbered ~ ' where not is_never') -%}
    {%- set contested = components_step('contested', components_that_hold_a_pair(whole, numbered)) -%}
    {%- set override_edges -%}
        select numbered.a, numbered.b
        from {{ numbered }} as numbered
        inner join {{ whole }} as whole on numbered.a = whole.number
        inner join {{ contested }} as contested on whole.component = contested.component
        where numbered.is_override and not numbered.is_never
    {%- endset -%}
    {%- set part = contract_components('part', override_edges) -%}
    {%- set broken = components_step('broken', components_that_hold_a_pair(part, numbered)) -%}

    {%- set answer -%}
        select
            names.node,
            case
                when contested.component is null
                then coalesce(whole.component, names.number)
                when broken.component is not null
                then names.number
                else coalesce(part.component, names.number)
            end as component,
            contested.component is not null as is_contested
        from {{ names }} as names
        left join {{ whole }} as whole on names.number = whole.number
        left join {{ contested }} as contested on whole.component = contested.component
        left join {{ part }} as part on names.number = part.number
        left join {{ broken }} as broken on part.component = broken.component
    {%- endset -%}
    {%- if existing is not none -%} {%- do adapter.drop_relation(existing) -%} {%- endif -%}
    {%- call statement('main') -%} {{ create_table_as(false, target, answer) }} {%- endcall -%}

    {%- for step in (pairs, names, numbered, whole, contested, part, broken) -%}
        {%- do adapter.drop_relation(step) -%}
    {%- endfor -%}
    {{ run_hooks(post_hooks) }}
    {%- do persist_docs(target, model) -%}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmaterialization -%}


{#- The components of `edges` (a, b; numbers) as a relation (number, component): one row per node of an edge that
    is no loop; the label is the smallest number. -#}
{%- macro contract_components(name, edges) -%}
    {%- set apart -%}
        select distinct least(a, b) as a, greatest(a, b) as b from ({{ edges }}) as edges where a <> b
    {%- endset -%}
    {%- set state = namespace(edges=components_step(name ~ '_edges_0', apart), maps=[]) -%}
    {%- for round in range(components_most_rounds()) -%}
        {%- if components_count(state.edges) -%}
            {%- set map = components_step(name ~ '_map_' ~ round, components_representatives(state.edges, round)) -%}
            {%- set rest -%}
                select distinct least(a.becomes, b.becomes) as a, greatest(a.becomes, b.becomes) as b
                from {{ state.edges }} as edges
                inner join {{ map }} as a on edges.a = a.number
                inner join {{ map }} as b on edges.b = b.number
                where a.becomes <> b.becomes
            {%- endset -%}
            {%- set rest = components_step(name ~ '_edges_' ~ (round + 1), rest) -%}
            {%- do adapter.drop_relation(state.edges) -%}
            {%- set state.edges = rest -%}
            {%- do state.maps.append(map) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if components_count(state.edges) -%}
        {{ exceptions.raise_compiler_error('Edges are left after ' ~ components_most_rounds() ~ ' rounds of contraction.') }}
    {%- endif -%}
    {#- composed from the last round back, so that every map is read once -#}
    {%- set known = namespace(map=components_step(name ~ '_known', 'select a as number, b as becomes from ' ~ state.edges)) -%}
    {%- do adapter.drop_relation(state.edges) -%}
    {%- for map in state.maps | reverse -%}
        {%- set composed -%}
            select map.number, coalesce(known.becomes, map.becomes) as becomes
            from {{ map }} as map
            left join {{ known.map }} as known on map.becomes = known.number
        {%- endset -%}
        {%- set composed = components_step(name ~ '_known_' ~ loop.revindex, composed) -%}
        {%- do adapter.drop_relation(known.map) -%}
        {%- do adapter.drop_relation(map) -%}
        {%- set known.map = composed -%}
    {%- endfor -%}
    {%- set labelled = 'select number, min(number) over (partition by becomes) as component from ' ~ known.map -%}
    {%- set labelled = components_step(name, labelled) -%}
    {%- do adapter.drop_relation(known.map) -%}
    {{ return(labelled) }}
{%- endmacro -%}


{#- For every node the one of its neighbours and itself that comes first in this round's order. -#}
{%- macro components_representatives(edges, round) -%}
    {%- set neighbour, itself = shuffled('neighbour', round), shuffled('number', round) -%}
    select
        number,
        case when min({{ neighbour }}) < {{ itself }} then min_by(neighbour, {{ neighbour }}) else number end as becomes
    from
        (
            select a as number, b as neighbour
            from {{ edges }}
            union all
            select b, a
            from {{ edges }}
        ) as ends
    group by number
{%- endmacro -%}


{#- The labels that both ends of a never pair have. -#}
{%- macro components_that_hold_a_pair(labels, numbered) -%}
    select distinct a.component
    from {{ numbered }} as pairs
    inner join {{ labels }} as a on pairs.a = a.number
    inner join {{ labels }} as b on pairs.b = b.number
    where pairs.is_never and pairs.a <> pairs.b and a.component = b.component
{%- endmacro -%}


{#- A table beside the model, made again; its relation. Not a temporary one: some engines have views of that name,
    which would compute every round again. -#}
{%- macro components_step(name, sql) -%}
    {%- set step = api.Relation.create(
        database=this.database, schema=this.schema, identifier=this.identifier ~ '__' ~ name, type='table'
    ) -%}
    {%- do adapter.drop_relation(step) -%}
    {%- do run_query(create_table_as(false, step, sql)) -%}
    {{ return(step) }}
{%- endmacro -%}


{%- macro components_count(relation) -%}
    {{ return(run_query('select count(*) from ' ~ relation).columns[0].values()[0] | int) }}
{%- endmacro -%}


{#- Far more than are ever needed: 3 million nodes take about a dozen. -#}
{%- macro components_most_rounds() -%} {{ return(200) }} {%- endmacro -%}
