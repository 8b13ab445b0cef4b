{#- What every tracked model was built from: `increments.models` (one row per model: what the last build did and why)
    and `increments.read` (one row per model and input: which version it was built from), written in the transaction
    that writes the model. -#}

{%- macro create_increment_state() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        create schema if not exists increments;
        create table if not exists increments.models (
            model varchar not null, signature varchar not null, version bigint not null, changes_since bigint not null,
            strategy varchar not null, reason varchar not null, touched_keys bigint, computed_rows bigint,
            changed_rows bigint
        );
        create table if not exists increments.read (model varchar not null, input varchar not null, version bigint not null);
    {%- endif -%}
{%- endmacro -%}

{#- Tables of models that are no more, or are switched off: nobody would keep or erase what they hold. -#}
{%- macro drop_what_no_model_makes() -%}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- set made = [] -%}
        {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed') -%}
            {%- do made.append("('" ~ node.schema ~ "', '" ~ node.alias ~ "')") -%}
        {%- endfor -%}
        {%- set left = run_query(
            "select schema_name, table_name from duckdb_tables() where database_name = current_database()"
            ~ " and schema_name in ('staging', 'intermediate', 'marts')"
            ~ " and (schema_name, table_name) not in (" ~ (made | join(', ')) ~ ") order by all"
        ) -%}
        {%- for schema, table in left.rows -%}
            drop table {{ schema }}.{{ table }};
            drop table if exists increments.{{ table }};
        {%- endfor -%}
        select 1
    {%- endif -%}
{%- endmacro -%}

{%- macro tracked_materializations() -%} {{ return(['by_key', 'recomputed', 'by_key_in_python']) }} {%- endmacro -%}

{#- The tracked models this one reads, through views as well; and what stands for the code of those views and for the
    seeds among its inputs. -#}
{%- macro increment_inputs(node) -%}
    {%- set tracked, code, seen, pending = [], [], [], node.depends_on.nodes | list -%}
    {%- for _ in range(1000) if pending -%}
        {%- set id = pending.pop() -%}
        {%- set parent = graph.nodes.get(id) -%}
        {%- if parent and id not in seen -%}
            {%- do seen.append(id) -%}
            {%- if parent.config.materialized in tracked_materializations() -%} {%- do tracked.append(parent.name) -%}
            {%- else -%}
                {%- do code.append(parent.checksum.checksum) -%}
                {%- do pending.extend(parent.depends_on.nodes) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({'tracked': tracked | unique | sort | list, 'code': code | sort}) }}
{%- endmacro -%}

{#- What is on record of a model and its inputs, in one query, which begins the model's transaction: `own` (none if
    never built), `read` (input -> version it was built from), `inputs` (input -> version now, changes_since). -#}
{%- macro increment_record(name, tracked) -%}
    {%- call statement('record', fetch_result=true) -%}
        select 'state', model, version, changes_since, signature
        from increments.models
        where model in ('{{ ([name] + tracked) | join("', '") }}')
        union all
        select 'read', input, version, null, null
        from increments.read
        where model = '{{ name }}'
        order by all
    {%- endcall -%}
    {%- set found = {'own': none, 'read': {}, 'inputs': {}} -%}
    {%- for kind, named, version, since, signature in load_result('record').data -%}
        {%- set row = {'version': version | int, 'changes_since': since | int if since is not none else none, 'signature': signature} -%}
        {%- if kind == 'read' -%} {%- do found.read.update({named: row.version}) -%}
        {%- elif named == name -%} {%- do found.update({'own': row}) -%}
        {%- else -%} {%- do found.inputs.update({named: row}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro -%}

{#- Stands for a version that was not read. -#}
{%- macro not_read() -%} {{ return(-1) }} {%- endmacro -%}

{#- Of these tracked models those that are older than what they are made from, at whatever distance: so it is when some
    models are built alone. -#}
{%- macro outdated(models) -%}
    {%- if not models -%} {{ return([]) }} {%- endif -%}
    {%- call statement('outdated', fetch_result=true) -%}
        with recursive
            outdated(model) as (
                select read.model
                from increments.read as read
                inner join increments.models as models on read.input = models.model
                where read.version <> models.version
                union
                select read.model
                from increments.read as read
                inner join outdated on read.input = outdated.model
            )
        select model from outdated where model in ('{{ models | join("', '") }}')
    {%- endcall -%}
    {{ return(load_result('outdated').data | map(attribute=0) | list) }}
{%- endmacro -%}

{#- Inputs that are outdated, and so may do what the model relies on that they do not: change without what it watches,
    where it accounts for them in another way than by their changes (accounted_for()), have two rows to a key, or tell
    another time or place of a row than it has (relied_on()). They count as not read, and the next build computes all rows. -#}
{%- macro inputs_read_too_early(record) -%}
    {%- set relied_on = [] -%}
    {%- if config.get('materialized') == 'by_key' -%}
        {%- for input in record.inputs -%}
            {%- set has_keys = (one_row_to_a_key(input) | trim) in sql or config.get('rows_of') == input -%}
            {%- set tells = (told_otherwise(input) | trim) in sql or (told_by(input) | trim) in sql -%}
            {%- if has_keys or tells -%} {%- do relied_on.append(input) -%} {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(outdated(relied_on)) }}
{%- endmacro -%}

{#- Note what was done, and which versions of its inputs the model now stands for. -#}
{%- macro note_increment(name, record, new) -%}
    {%- set too_early = [] if new.strategy == 'kept' else inputs_read_too_early(record) -%}
    {%- call statement('main') -%}
        delete from increments.models where model = '{{ name }}';
        delete from increments.read where model = '{{ name }}';
        {% for input, state in record.inputs.items() -%}
            insert into increments.read values (
                '{{ name }}', '{{ input }}', {{ not_read() if input in too_early else state.version }}
            );
        {% endfor -%}
        insert into increments.models values (
            '{{ name }}', '{{ new.signature }}', {{ new.version }}, {{ new.changes_since }}, '{{ new.strategy }}',
            '{{ new.reason | replace("'", "''") }}', {{ new.touched }}, {{ new.computed }}, {{ new.changed }}
        )
    {%- endcall -%}
{%- endmacro -%}
