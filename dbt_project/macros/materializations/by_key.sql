{#- A table kept up to date key by key (`key`: one column or several). What is touched is said by the model's own
    touched() (increments/markers.sql); the rest of its SQL is the full build.

        touched keys -> their rows anew -> compared with those that stand -> rows of changed keys exchanged
                                                                          -> changes kept for the models that read this

    It is built in full when it was never built, its code, configuration or a seed changed, an input changed that
    touched() says nothing of, or an input no longer knows what changed since. increments.models says why. -#}
{%- materialization by_key, adapter='duckdb' -%}
    {%- set key = config.require('key') -%}
    {{ return(build_tracked([key] if key is string else key, by_key=true)) }}
{%- endmaterialization -%}


{#- A table computed in full at every build, and only written where it differs; what changed is kept as by `by_key`.
    For what is small, or a function of everything. -#}
{%- materialization recomputed, adapter='duckdb' -%}
    {%- set key = config.get('key', []) -%}
    {{ return(build_tracked([key] if key is string else key, by_key=false)) }}
{%- endmaterialization -%}


{%- macro build_tracked(key, by_key) -%}
    {%- set name = model.name -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set inputs = increment_inputs(model) -%}
    {%- set signature = local_md5(sql ~ inputs.code | join(' ') ~ key | join(',')) -%}
    {{ run_hooks(pre_hooks) }}
    {%- call statement('begin') -%} select 1 {%- endcall -%}

    {%- set state = increment_state(name) -%}
    {%- set versions = increment_versions(inputs.tracked) -%}
    {%- if existing is not none and not existing.is_table -%}
        {%- do adapter.drop_relation(existing) -%}
        {%- set existing, state = none, none -%}
    {%- endif -%}
    {%- set reason = reason_to_forget(existing, state, signature) -%}

    {%- if reason -%}
        {%- do build_from_nothing(target, existing, sql) -%}
        {%- set version = state.version + 1 if state else 1 -%}
        {%- do note_increment(name, signature, version, version, versions, 'full', reason, {'touched': 'null', 'computed': increment_count(target), 'changed': 'null'}) -%}
    {%- else -%}
        {%- set reason = reason_to_recompute(by_key, inputs, versions, sql) -%}
        {%- if reason == 'nothing changed' -%}
            {%- do note_increment(name, signature, state.version, state.changes_since, versions, 'kept', reason, {'touched': 0, 'computed': 0, 'changed': 0}) -%}
        {%- else -%}
            {%- set counts = exchange_changed_rows(target, key, reason, sql, state.version + 1) -%}
            {%- set since = forget_read_changes(target, state) -%}
            {%- set version = state.version + (1 if counts.changed else 0) -%}
            {%- do note_increment(name, signature, version, since, versions, 'recomputed' if reason else 'by key', reason or 'inputs changed', counts) -%}
        {%- endif -%}
    {%- endif -%}

    {%- do persist_docs(target, model) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmacro -%}


{#- Why nothing that stands can be used; none when it can. -#}
{%- macro reason_to_forget(existing, state, signature) -%}
    {%- if existing is none or state is none -%} {{ return('it was never built') }}
    {%- elif should_full_refresh() -%} {{ return('a full refresh was asked for') }}
    {%- elif state.signature != signature -%} {{ return('its code or configuration changed') }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}


{#- Why all rows are computed again; none when touched keys are enough, or 'nothing changed'. -#}
{%- macro reason_to_recompute(by_key, inputs, versions, sql) -%}
    {%- if not by_key -%} {{ return('it is computed in full at every build') }} {%- endif -%}
    {%- set read = increment_read(model.name) -%}
    {%- set found = namespace(changed=false, reason=none) -%}
    {%- for input in inputs.tracked -%}
        {%- if input not in read -%}
            {%- set found.reason = input ~ ' is a new input' -%}
        {%- elif versions[input] != read[input] -%}
            {%- set found.changed = true -%}
            {%- if ('__since_' ~ input ~ '__') not in sql -%}
                {%- set found.reason = input ~ ' changed' -%}
            {%- elif increment_state(input).changes_since > read[input] -%}
                {%- set found.reason = input ~ ' was rebuilt' -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if found.reason -%} {{ return(found.reason) }}
    {%- elif not found.changed -%} {{ return('nothing changed') }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}


{%- macro build_from_nothing(target, existing, sql) -%}
    {%- if existing is not none -%} {%- do adapter.drop_relation(existing) -%} {%- endif -%}
    {%- call statement('create') -%} {{ create_table_as(false, target, sql) }} {%- endcall -%}
    {%- call statement('changes') -%}
        create or replace table increments.{{ target.identifier }} as
        select cast(1 as tinyint) as _sign, cast(0 as bigint) as _version, * from {{ target }} limit 0
    {%- endcall -%}
{%- endmacro -%}


{#- Compute the touched rows, or all where there is a reason; exchange those of keys that differ. Returns counts:
    keys touched, rows computed, rows changed. -#}
{%- macro exchange_changed_rows(target, key, reason, sql, version) -%}
    {%- set read = increment_read(model.name) -%}
    {%- set touched = 'null' -%}
    {%- if not reason -%}
        {%- set query = since_read(sql.split('/* touched:')[1].split(':touched */')[0], read) -%}
        {%- call statement('touched') -%}
            create or replace temp table touched as
            select distinct * from (
{{ query }}
            ) as keys({% for _ in key %}key_{{ loop.index }}{% if not loop.last %}, {% endif %}{% endfor %})
        {%- endcall -%}
        {%- set touched = increment_count('touched') -%}
        {%- if touched == 0 -%} {{ return({'touched': 0, 'computed': 0, 'changed': 0}) }} {%- endif -%}
        {%- set sql = since_read(sql.split('/* touched:')[0], read) | replace('/* increment:', '') | replace(':increment */', '') -%}
    {%- endif -%}

    {%- call statement('fresh_table') -%} create or replace temp table fresh as from {{ target }} limit 0 {%- endcall -%}
    {%- call statement('fresh') -%} insert into fresh by name {{ sql }} {%- endcall -%}
    {%- call statement('stale') -%}
        create or replace temp table stale as
        select target.rowid as _row, target.* from {{ target }} as target
        {% if not reason -%}
            semi join touched on {% for column in key -%}
                target.{{ column }} is not distinct from touched.key_{{ loop.index }} {%- if not loop.last %} and {% endif -%}
            {%- endfor %}
        {%- endif %}
    {%- endcall -%}
    {%- call statement('differences') -%}
        create or replace temp table differences as
        select cast(1 as tinyint) as _sign, * from (from fresh except all select * exclude (_row) from stale)
        {% if not config.get('keeps_vanished') -%}
            union all by name
            select cast(-1 as tinyint) as _sign, * from (select * exclude (_row) from stale except all from fresh)
        {%- endif %}
    {%- endcall -%}
    {%- set changed = increment_count('differences') -%}
    {%- if changed -%}
        {%- do exchange_rows(target, key) -%}
        {%- call statement('changes') -%}
            insert into increments.{{ target.identifier }} by name
            select *, {{ version }} as _version from differences
        {%- endcall -%}
    {%- endif -%}
    {%- set counts = {'touched': touched, 'computed': increment_count('fresh'), 'changed': changed} -%}
    {%- call statement('clean') -%} drop table fresh; drop table stale; drop table differences; {%- endcall -%}
    {{ return(counts) }}
{%- endmacro -%}


{#- Only rows of keys that differ are written: deletes cost space until the next compaction. -#}
{%- macro exchange_rows(target, key) -%}
    {%- if key -%}
        {%- set same_key -%}
            {%- for column in key -%}
                rows.{{ column }} is not distinct from changed.{{ column }} {%- if not loop.last %} and {% endif -%}
            {%- endfor -%}
        {%- endset -%}
        {%- set of_changed_keys -%} as rows semi join differences as changed on {{ same_key }} {%- endset -%}
    {%- endif -%}
    {%- call statement('delete') -%}
        delete from {{ target }} where rowid in (select _row from stale {{ of_changed_keys }})
    {%- endcall -%}
    {%- call statement('insert') -%}
        insert into {{ target }} by name select rows.* from fresh {{ of_changed_keys if key else 'as rows' }}
    {%- endcall -%}
{%- endmacro -%}


{#- Forget changes all readers have read; and all of them when they are more than the table, for then a full build
    of a reader that waits is cheaper. Returns the version since which changes are kept. -#}
{%- macro forget_read_changes(target, state) -%}
    {%- set models = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') | map(attribute='name') -%}
    {%- set row = run_query(
        "select coalesce(min(version), " ~ state.version ~ ") from increments.read where input = '" ~ target.identifier
        ~ "' and model in ('" ~ (models | join("', '")) ~ "')"
    ).rows[0] -%}
    {%- set since = [row[0] | int, state.changes_since] | max -%}
    {%- call statement('forget_changes') -%}
        delete from increments.{{ target.identifier }} where _version <= {{ since }}
    {%- endcall -%}
    {{ return(since) }}
{%- endmacro -%}


{#- Versions read last instead of their names. -#}
{%- macro since_read(sql, read) -%}
    {%- set text = namespace(sql=sql) -%}
    {%- for input, version in read.items() -%}
        {%- set text.sql = text.sql | replace('__since_' ~ input ~ '__', version) -%}
    {%- endfor -%}
    {{ return(text.sql) }}
{%- endmacro -%}


{%- macro increment_versions(names) -%}
    {%- set versions = {} -%}
    {%- for name in names -%}
        {%- set state = increment_state(name) -%}
        {%- do versions.update({name: state.version if state else 0}) -%}
    {%- endfor -%}
    {{ return(versions) }}
{%- endmacro -%}


{%- macro increment_read(name) -%}
    {%- set read = {} -%}
    {%- for row in run_query("select input, version from increments.read where model = '" ~ name ~ "'").rows -%}
        {%- do read.update({row[0]: row[1] | int}) -%}
    {%- endfor -%}
    {{ return(read) }}
{%- endmacro -%}


{%- macro increment_count(relation) -%}
    {{ return(run_query('select count(*) from ' ~ relation).rows[0][0] | int) }}
{%- endmacro -%}
