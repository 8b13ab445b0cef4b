{#- What a model says about its increment, as comments in its SQL: without them it is the full build, and that text
    is what dbt shows, tests and hashes. The materialization `by_key` (materializations/by_key.sql) puts them into
    force. One invariant carries them all:

        the rows of a key depend on those input rows alone that touched() names for it.

    So when no such row changed, the rows of the key did not either; and what changed is known to the row, because
    every tracked model keeps its changes (old rows with _sign -1, new ones with +1) until its readers have read
    them. -#}

{#- The query that names the touched keys, in the order of the model's `key`. At the end of the model. -#}
{%- macro touched() -%}
{%- if model.resource_type != 'unit_test' -%} /* touched: {{ caller() | trim }} :touched */ {%- endif -%}
{%- endmacro -%}

{#- Behind a FROM item: of an increment only the rows of touched keys. The columns, in the order of the key. The bits of
    the keys are a filter of the scan, which then reads other columns of few rows alone. -#}
{%- macro only_touched() -%}
/* increment: semi join touched on {% for column in varargs -%}
    {{ column }} = touched.key_{{ loop.index }} and {% endfor -%}
{{ is_among(varargs[0], 'touched_keys') }} :increment */
{%- endmacro -%}

{#- In place of a FROM item that is joined: of an increment only the rows of touched keys, found before the join. The
    columns, in the order of the key. -#}
{%- macro touched_rows(relation) -%}
/* increment: (select rows.* from :increment */ {{ relation }} /* increment: as rows semi join touched on {% for column in varargs -%}
    rows.{{ column }} = touched.key_{{ loop.index }} and {% endfor -%}
{{ is_among('rows.' ~ varargs[0], 'touched_keys') }}) :increment */
{%- endmacro -%}

{#- As touched_rows() in a model with `since`: of a touched key the rows from its time on. `at`: the column with the
    time; then the columns of the key; `near`: the column with what the model calls near, if the relation has one;
    `sliced`: it is cut when all rows are computed (slices.sql). -#}
{%- macro touched_rows_since(relation, at) -%}
{%- set full = in_slices(relation, at) if kwargs.get('sliced') else relation -%}
/* increment: {{ rows_since(relation, at, varargs, 'rows.*', ':increment */ ' ~ full ~ ' /* increment:', kwargs.get('near')) }} :increment */
{%- endmacro -%}

{#- Rows of touched keys from their times on, in two parts: of most keys they are the latest rows, which lie together;
    of the few that are touched further back they are sought by the bits of a hash, a filter the scan applies before it
    reads other columns (one such filter; two it would apply afterwards). `named`: how the relation is written where it comes first. -#}
{%- macro rows_since(relation, at, key, columns, named=relation, near=none) -%}
{%- set that_are_touched -%}
    semi join touched on {% for column in key -%} rows.{{ column }} = touched.key_{{ loop.index }} and {% endfor -%} rows.{{ at }} >= touched.since
{%- endset -%}
{%- set place, places = 'rows.' ~ (near or key[0]), 'touched_near' if near else 'touched_keys' -%}
(
    select {{ columns }} from {{ named }} as rows {{ that_are_touched }}
    where rows.{{ at }} >= getvariable('touched_recent') and {{ is_among(place, places) }}
    union all
    select {{ columns }} from {{ relation }} as rows {{ that_are_touched }}
    where rows.{{ at }} >= getvariable('touched_earliest') and rows.{{ at }} < getvariable('touched_recent')
    and {{ is_among(place, places ~ '_late') }}
)
{%- endmacro -%}

{%- macro key_bits() -%} {{ return(1048576) }} {%- endmacro -%}

{%- macro hashed_key(column) -%} cast(hash({{ column }}) % {{ key_bits() }} as integer) {%- endmacro -%}

{%- macro bits_of(column) -%}
coalesce(bitstring_agg({{ hashed_key(column) }}, 0, {{ key_bits() - 1 }}), bitstring('0', {{ key_bits() }}))
{%- endmacro -%}

{#- The first column of the touched keys, as bits. None where they would spare little, and none of what is no text: the
    rows may hold it in another type, and then its hash is another. -#}
{%- macro remember_touched_keys() -%}
set variable touched_keys = (
    select case when count(*) <= {{ key_bits() // 8 }} and any_value(typeof(key_1)) = 'VARCHAR' then {{ bits_of('key_1') }} end
    from touched
)
{%- endmacro -%}

{#- Without bits everything is among them. -#}
{%- macro is_among(column, bits) -%} coalesce(get_bit(getvariable('{{ bits }}'), {{ hashed_key(column) }}), 1) = 1 {%- endmacro -%}

{#- As touched_rows() of a tracked relation with one row to a key, `key` naming its column: the rows that changed since
    are taken from the log of changes, and the table is only read for touched keys that are not among them. Most often
    there are none, and a table of all history is not read at all. `of`: other keys than all that are touched. -#}
{%- macro touched_rows_by_log(relation, key, of='touched') -%}
{%- set log = 'increments.' ~ relation.identifier -%}
{%- set since = '__since_' ~ relation.identifier ~ '__' -%}
/* increment: (
    {{ one_row_to_a_key(relation.identifier) }}
    with
        logged as (
            select sum(_sign) as _net, * exclude (_sign, _version)
            from {{ log }}
            where _version > {{ since }}
            group by all
            having sum(_sign) <> 0
        ),

        others as (select key_1 from {{ of }} as touched anti join logged on touched.key_1 = logged.{{ key }})

    select * exclude (_net) from logged semi join {{ of }} as touched on logged.{{ key }} = touched.key_1 where _net > 0
    union all by name
    select rows.* from :increment */ {{ relation }} /* increment: as rows semi join others on rows.{{ key }} = others.key_1
) :increment */
{%- endmacro -%}

{#- Says that an increment relies on the input having one row to a key; so it has once all models are built. -#}
{%- macro one_row_to_a_key(input) -%} -- one row to a key: {{ input }}, {%- endmacro -%}

{#- The keys that have a row in a tracked relation with one row to a key and had none when this model last read it. -#}
{%- macro new_keys(relation, key) -%}
(
    {{ one_row_to_a_key(relation.identifier) }}
    select {{ key }} from {{ came(relation, [key]) }}
)
{%- endmacro -%}

{#- Behind stg_events, named events: of an increment only the records of touched dedupe keys. Their numbers are found by
    the key alone, and the wide records are then read where they lie: the new ones at the end. -#}
{%- macro only_touched_records() -%}
/* increment: semi join (
    select records.rowid as raw_row from raw.events as records semi join touched on records.dedupe_key = touched.key_1
) as wanted on events.raw_row = wanted.raw_row :increment */
{%- endmacro -%}

{#- SQL that counts in an increment only. -#}
{%- macro in_increment() -%}
{%- if model.resource_type != 'unit_test' -%} /* increment: {{ caller() | trim }} :increment */ {%- endif -%}
{%- endmacro -%}

{#- The rows of a tracked model that changed since this model last read it, netted over `columns`: what was only
    rewritten, or changed in other columns, is not among them. Old and new rows are alike here. -#}
{%- macro changes(relation, columns) -%} {{ netted(relation, columns, '<> 0') }} {%- endmacro -%}

{#- As changes(), the new rows alone: those that stand now. -#}
{%- macro came(relation, columns) -%} {{ netted(relation, columns, '> 0') }} {%- endmacro -%}

{%- macro netted(relation, columns, condition) -%}
(select {{ columns | join(', ') }} from increments.{{ relation.identifier }} where _version > __since_{{ relation.identifier }}__ group by {{ columns | join(', ') }} having sum(_sign) {{ condition }})
{%- endmacro -%}

{#- As changes(), with a change of any column. -#}
{%- macro any_change(relation, columns) -%}
(select distinct {{ columns | join(', ') }} from increments.{{ relation.identifier }} where _version > __since_{{ relation.identifier }}__)
{%- endmacro -%}

{#- Of a tracked relation with one row to a key, the keys that had a row and now have one that differs in `columns` (any
    column, if none are named): not those that came or went. Most changes are rows that came, and where all that hangs on
    them came with them, the tables need not be searched for it; that those are not older than this relation is what
    relied_on() says. -#}
{%- macro altered(relation, key, columns=none) -%}
(
    {{ one_row_to_a_key(relation.identifier) }}
    {% if columns is none -%}
        select {{ key }} from increments.{{ relation.identifier }} where _version > __since_{{ relation.identifier }}__
        group by {{ key }} having min(_sign) < max(_sign)
    {%- else -%} select {{ key }} from {{ changes(relation, [key] + columns) }} group by {{ key }} having count(*) > 1
    {%- endif %}
)
{%- endmacro -%}

{#- Says that touched() accounts for a tracked input in another way than by its changes. -#}
{%- macro accounted_for(relation) -%}
{{ told_otherwise(relation.identifier) }} __since_{{ relation.identifier }}__
{%- endmacro -%}

{#- Says that what touched() tells of a row by this input (`since`, `near`) holds when the input is not outdated. -#}
{%- macro relied_on(relation) -%} {{ told_by(relation.identifier) }} {%- endmacro -%}

{%- macro told_by(input) -%} -- relied on: {{ input }}, {%- endmacro -%}

{%- macro told_otherwise(input) -%} -- accounted for: {{ input }}, {%- endmacro -%}

{#- The rows of raw.events that began or ceased to count: those of new loads, and of generations that were
    superseded. Named plainly: the data come from staging, this only says where to look. -#}
{%- macro arrivals() -%}
(
    select events.* exclude (_dlt_load_id), events.rowid as raw_row
    from raw.events as events
    semi join
        {{ changes(ref('stg_current_segments'), ['load_id', 'source', 'segment', 'generation']) }} as arrived
        on events._dlt_load_id = arrived.load_id
        and events.source = arrived.source
        and events.segment = arrived.segment
        and events.generation = arrived.generation
)
{%- endmacro -%}
