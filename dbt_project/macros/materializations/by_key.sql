{#- A table kept up to date key by key (`key`: one column or several). What is touched is said by the model's own
    touched() (increments/markers.sql); the rest of its SQL is the full build.

        touched keys -> their rows anew -> compared with those that stand -> rows that differ exchanged
                                                                          -> changes kept for the models that read this

    It is built from nothing when it was never built, or its code, its configuration or a seed changed; and all rows
    are computed and compared when an input changed that touched() says nothing of, an input no longer knows what
    changed since, or an input was outdated when the model relied on it (increments/state.sql). `rows_of` names an
    input with one row to a key, without which there is none here. `since` names a column with a time: touched() then
    ends in one, and of a touched key only the rows from that time on are computed and exchanged. `near` names another
    column, by which rows of the key are found faster than by the key itself: touched() then ends in what it is, or may
    be, in the rows that stand and in those that come. `slices_of`: all rows are computed a slice at a time (increments/slices.sql).
    increments.models says what was done and why. -#}
{%- materialization by_key, adapter='duckdb' -%}
    {{ return(build_tracked(config.require('key'), is_by_key=true)) }}
{%- endmaterialization -%}


{#- A table computed in full whenever an input changed, and written only where it differs; what changed is kept as by
    `by_key`. For what is small, or a function of everything. `reads_raw`: it reads what no tracked model stands for, so
    that it is computed at every build. -#}
{%- materialization recomputed, adapter='duckdb' -%}
    {{ return(build_tracked([], is_by_key=false)) }}
{%- endmaterialization -%}


{%- macro build_tracked(key, is_by_key) -%}
    {%- set key = [key] if key is string else key -%}
    {%- set target, existing = this.incorporate(type='table'), load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks) }}

    {%- set plan = increment_plan(existing, key, is_by_key) -%}
    {%- set record = plan.record -%}
    {%- if plan.is_new -%}
        {%- set new = build_from_nothing(target, existing, key, record, plan.reason) -%}
    {%- elif plan.reason == 'nothing changed' -%}
        {%- set new = {} -%}
        {%- do new.update(record.own) -%}
        {%- do new.update({'strategy': 'kept', 'reason': plan.reason, 'touched': 0, 'computed': 0, 'changed': 0}) -%}
    {%- else -%}
        {%- set new = exchange_changed_rows(target, key, record, plan.reason) -%}
    {%- endif -%}
    {%- do new.update({'signature': plan.signature}) -%}
    {%- do note_increment(model.name, record, new) -%}
    {%- if model.language == 'python' -%} {%- do forget_rows_of_python() -%} {%- endif -%}

    {%- do persist_docs(target, model) -%}
    {{ run_hooks(post_hooks) }}
    {%- do adapter.commit() -%}
    {{ return({'relations': [target]}) }}
{%- endmacro -%}


{#- What is to be done: from nothing (`is_new`), all rows because of `reason`, nothing, or touched keys (no reason). -#}
{%- macro increment_plan(existing, key, is_by_key) -%}
    {%- set inputs = increment_inputs(model) -%}
    {%- set signature = local_md5(tracked_code() ~ (inputs.code | join(' ')) ~ (key | join(','))) -%}
    {%- set record = increment_record(model.name, inputs.tracked) -%}
    {%- set forget = reason_to_forget(existing, record.own, signature) -%}
    {{ return({
        'record': record, 'signature': signature, 'is_new': forget is not none,
        'reason': forget or reason_to_recompute(record, is_by_key)
    }) }}
{%- endmacro -%}


{%- macro tracked_code() -%} {{ return(model.compiled_code if model.language == 'python' else sql) }} {%- endmacro -%}


{#- Why nothing that stands can be used; none when it can. -#}
{%- macro reason_to_forget(existing, own, signature) -%}
    {%- if existing is none or not existing.is_table or own is none -%} {{ return('it was never built') }}
    {%- elif should_full_refresh() -%} {{ return('a full refresh was asked for') }}
    {%- elif own.signature != signature -%} {{ return('its code or configuration changed') }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}


{#- Why all rows are computed again; none when touched keys are enough, or 'nothing changed'. -#}
{%- macro reason_to_recompute(record, is_by_key) -%}
    {%- set reads_raw = config.get('reads_raw', false) -%}
    {%- if reads_raw and not is_by_key -%} {{ return('it reads raw tables') }} {%- endif -%}
    {%- set found = namespace(reason=none if reads_raw else 'nothing changed') -%}
    {%- for input, state in record.inputs.items() if state.version != record.read.get(input) -%}
        {%- if found.reason == 'nothing changed' -%} {%- set found.reason = none -%} {%- endif -%}
        {%- if record.read.get(input) == not_read() -%} {%- set found.reason = 'it was built before ' ~ input -%}
        {%- elif not is_by_key -%} {%- set found.reason = 'it is a function of all of ' ~ input -%}
        {%- elif input not in record.read -%} {%- set found.reason = input ~ ' is a new input' -%}
        {%- elif ('__since_' ~ input ~ '__') not in tracked_code() -%} {%- set found.reason = input ~ ' changed' -%}
        {%- elif state.changes_since > record.read[input] -%} {%- set found.reason = input ~ ' was rebuilt' -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found.reason) }}
{%- endmacro -%}


{%- macro build_from_nothing(target, existing, key, record, reason) -%}
    {%- set query = rows_and_touched_keys(key, record, reason)[0] -%}
    {%- if existing is not none -%} {%- do adapter.drop_relation(existing) -%} {%- endif -%}
    {%- set parts = slices(target) -%}
    {%- call statement('create') -%} {{ create_table_as(false, target, in_slice(query, parts[0])) }} {%- endcall -%}
    {%- for part in parts[1:] -%}
        {%- call statement('slice') -%} insert into {{ target }} by name {{ in_slice(query, part) }} {%- endcall -%}
    {%- endfor -%}
    {%- call statement('changes') -%}
        create or replace table increments.{{ target.identifier }} as
        select cast(1 as tinyint) as _sign, cast(0 as bigint) as _version, * from {{ target }} limit 0
    {%- endcall -%}
    {%- set version = record.own.version + 1 if record.own else 1 -%}
    {{ return({
        'version': version, 'changes_since': version, 'strategy': 'full', 'reason': reason, 'touched': 'null',
        'computed': increment_counts([target])[0], 'changed': 'null'
    }) }}
{%- endmacro -%}


{#- Compute the touched rows, or all where there is a reason; exchange those that differ. `keeps_vanished`: a row stays
    when its key is not computed any more. -#}
{%- macro exchange_changed_rows(target, key, record, reason) -%}
    {%- set new = {
        'version': record.own.version, 'changes_since': record.own.changes_since, 'touched': 'null', 'computed': 0,
        'changed': 0, 'strategy': 'recomputed' if reason else 'by key', 'reason': reason or 'inputs changed'
    } -%}
    {%- set query, touched = rows_and_touched_keys(key, record, reason) -%}
    {%- if not reason -%}
        {%- call statement('touched') -%}
            create or replace temp table touched as
            {% if config.get('since') -%}
                {{ earliest_of_each_key(key, touched) }}
            {%- else -%}
                select distinct * from (
                    {{ touched }}
                ) as keys({{ numbered_keys(key) }})
            {%- endif %};
            {{ remember_touched_keys() }}
        {%- endcall -%}
        {%- do new.update({'touched': increment_counts(['touched'])[0]}) -%}
        {%- if new.touched == 0 -%} {{ return(new) }} {%- endif -%}
    {%- endif -%}

    {%- set parts = slices(target) if reason else [none] -%}
    {%- call statement('compare') -%}
        create or replace temp table fresh as from {{ target }} limit 0;
        {% for part in parts -%} insert into fresh by name {{ in_slice(query, part) }}; {% endfor %}
        create or replace temp table stale as
        {{ rows_that_stand(target, key, record, reason) }}
        {% if config.get('keeps_vanished') %} semi join fresh on {{ same_key('target', 'fresh', key) }} {%- endif %};
        {#- a row as often as it came or went: EXCEPT ALL both ways, in a third of its time -#}
        create or replace temp table differences as
        select * exclude (_copy)
        from (
            select cast(sign(_net) as tinyint) as _sign, unnest(range(abs(_net))) as _copy, * exclude (_net)
            from (
                select cast(sum(_side) as bigint) as _net, * exclude (_side)
                from (
                    select 1 as _side, * from fresh
                    union all by name
                    select -1 as _side, * exclude (_row) from stale
                )
                group by all
                having sum(_side) <> 0
            )
        );
    {%- endcall -%}
    {%- set computed, changed = increment_counts(['fresh', 'differences']) -%}
    {%- do new.update({'computed': computed, 'changed': changed}) -%}
    {%- if changed -%}
        {%- do new.update({'version': record.own.version + 1, 'changes_since': oldest_version_read(target, record.own)}) -%}
        {#- Only rows that differ: deletes cost space until the next compaction. Of equal rows all go and all come. -#}
        {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='column') | list -%}
        {%- set that_differ -%} semi join differences as changed on {{ same_key('rows', 'changed', columns) }} {%- endset -%}
        {%- call statement('exchange') -%}
            delete from {{ target }} where rowid in (select _row from stale as rows {{ that_differ }});
            insert into {{ target }} by name select rows.* from fresh as rows {{ that_differ }};
            delete from increments.{{ target.identifier }} where _version <= {{ new.changes_since }};
            insert into increments.{{ target.identifier }} by name select *, {{ new.version }} as _version from differences;
        {%- endcall -%}
    {%- endif -%}
    {%- call statement('clean') -%} drop table fresh; drop table stale; drop table differences {%- endcall -%}
    {{ return(new) }}
{%- endmacro -%}


{#- Of touched keys, or all where there is a reason, with their numbers (`_row`). Without a time they are found by the key
    alone: rows are wide, and of new keys there are none. -#}
{%- macro rows_that_stand(target, key, record, reason) -%}
    {%- if reason -%} select target.rowid as _row, target.* from {{ target }} as target
    {%- elif config.get('since') -%}
        select target.*
        from {{ rows_since(target, config.get('since'), key, 'rows.rowid as _row, rows.*', near=config.get('near')) }} as target
    {%- else -%}
        select target.rowid as _row, target.*
        from {{ target }} as target
        semi join (
            select rows.rowid as _row from {{ target }} as rows
            semi join {{ keys_with_rows(key, record) }} as touched on {{ same_key('rows', 'touched', key, numbered=true) }}
        ) as found on target.rowid = found._row and {{ is_among('target.' ~ key[0], 'touched_keys') }}
    {%- endif -%}
{%- endmacro -%}

{%- macro numbered_keys(key) -%}
    {%- for _ in key -%} key_{{ loop.index }} {%- if not loop.last %}, {% endif -%} {%- endfor -%}
{%- endmacro -%}

{#- The touched keys, each with the earliest of its times. For rows_since() the sets of keys as bits of their hashes: of
    all, and of the few that are touched further back than the others; and the same of what is `near`, if all have it. -#}
{%- macro earliest_of_each_key(key, touched) -%}
    {%- set near = config.get('near') -%}
    select {{ numbered_keys(key) }}, min(since) as since {%- if near -%}, list(distinct near) filter (near is not null) as near {%- endif %}
    from (
        {{ touched }}
    ) as keys({{ numbered_keys(key) }}, since {%- if near -%}, near {%- endif -%})
    group by all;
    set variable touched_earliest = (select min(since) from touched);
    {#- most lie together: as far back from the median as twice the way from it to the latest -#}
    set variable touched_recent = (
        select case when isinf(middle) then middle else middle - 2 * (latest - middle) end
        from (select quantile_disc(since, 0.5) as middle, quantile_disc(since, 0.95) as latest from touched)
    );
    set variable touched_keys_late = (select {{ bits_of('key_1') }} from touched where {{ is_late() }})
    {%- if near -%} ;
    set variable touched_near = ({{ bits_if_all_are_known() }} from touched));
    set variable touched_near_late = ({{ bits_if_all_are_known() }} from touched where {{ is_late() }}))
    {%- endif -%}
{%- endmacro -%}

{#- None of a key that no branch tells a place of. What has no place (NULL) is always among them: an event of nobody that
    became somebody's is told by its new person alone. -#}
{%- macro bits_if_all_are_known() -%}
    select case when count(*) = count(near) then {{ bits_of('each') }} end
    from (select near, unnest(list_append(near, null)) as each
{%- endmacro -%}

{%- macro is_late() -%} since < getvariable('touched_recent') {%- endmacro -%}

{#- The query for the rows, and the one that names the touched keys; where there is a reason, all rows and no keys. -#}
{%- macro rows_and_touched_keys(key, record, reason) -%}
    {%- if model.language == 'python' -%} {{ return(rows_of_python(key)) }}
    {%- elif reason -%} {{ return((sql, none)) }}
    {%- endif -%}
    {{ return(increment_sql(sql, record.read)) }}
{%- endmacro -%}

{#- The model's SQL for touched keys alone, and the query that names them. -#}
{%- macro increment_sql(sql, read) -%}
    {%- set query, touched = since_versions(sql, read).split('/* touched:') -%}
    {{ return((query | replace('/* increment:', '') | replace(':increment */', ''), touched.split(':touched */')[0])) }}
{%- endmacro -%}

{#- The code with the versions of its inputs that the table was built from. -#}
{%- macro since_versions(code, read) -%}
    {%- set text = namespace(code=code) -%}
    {%- for input, version in read.items() -%}
        {%- set text.code = text.code | replace('__since_' ~ input ~ '__', version) -%}
    {%- endfor -%}
    {{ return(text.code) }}
{%- endmacro -%}


{#- The touched keys that may have rows: all, but for a model that names an input (`rows_of`) of whose keys each has one
    row there and rows here only then. What is new there has none here, and mostly that is all. -#}
{%- macro keys_with_rows(key, record) -%}
    {%- set input = config.get('rows_of') -%}
    {%- if not input -%} touched
    {%- else -%}
        {%- set came = new_keys({'identifier': input}, key[0]) | replace('__since_' ~ input ~ '__', record.read[input]) -%}
        (select * from touched anti join {{ came }} as came on touched.key_1 = came.{{ key[0] }})
    {%- endif -%}
{%- endmacro -%}


{%- macro same_key(one, other, key, numbered=false) -%}
    {%- for column in key -%}
        {{ one }}.{{ column }} is not distinct from {{ other }}.{{ 'key_' ~ loop.index if numbered else column }}
        {%- if not loop.last %} and {% endif -%}
    {%- endfor -%}
{%- endmacro -%}


{#- Changes up to this version were read by every model that reads this one, and may be forgotten; and so may all,
    when they are more than the table: computing a reader that waits in full is cheaper then. -#}
{%- macro oldest_version_read(target, own) -%}
    {%- set models = [] -%}
    {%- for node in graph.nodes.values() if node.config.materialized in tracked_materializations() -%}
        {%- do models.append(node.name) -%}
    {%- endfor -%}
    {%- set oldest = run_query(
        "select case when (select count(*) from increments." ~ target.identifier ~ ") <= (select count(*) from " ~ target
        ~ ") then min(version) end from increments.read where input = '" ~ target.identifier
        ~ "' and model in ('" ~ (models | join("', '")) ~ "')"
    ).rows[0][0] -%}
    {%- set oldest = own.version if oldest is none else oldest | int -%}
    {{ return([oldest, own.changes_since] | max) }}
{%- endmacro -%}


{%- macro increment_counts(relations) -%}
    {%- set query = 'select (select count(*) from ' ~ (relations | join('), (select count(*) from ')) ~ ')' -%}
    {%- set row = run_query(query).rows[0] -%}
    {%- set counts = [] -%}
    {%- for count in row.values() -%} {%- do counts.append(count | int) -%} {%- endfor -%}
    {{ return(counts) }}
{%- endmacro -%}
