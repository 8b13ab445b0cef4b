{#- As `by_key`, for a model in Python. Its code may name `__since_<input>__`, as touched() does. Where all rows are wanted
    that stands as it is; else it is the version of the input that the table was built from, and the model gives the
    rows of the keys that what changed since may touch, and of a key that has none any more a row with nothing but the
    key. -#}
{%- materialization by_key_in_python, adapter='duckdb', supported_languages=['python'] -%}
    {%- set key = config.require('key') -%}
    {%- set code = code_to_run([key] if key is string else key) -%}
    {%- if code -%}
        {%- call statement('python', language='python') -%}
            {{ create_table_as(false, made_by_python(), code, 'python') }}
        {%- endcall -%}
    {%- endif -%}
    {{ return(build_tracked(key, is_by_key=true)) }}
{%- endmaterialization -%}


{#- None where nothing changed. Python has a connection of its own, which sees what is committed, and what it made is only
    seen by a transaction that begins afterwards. -#}
{%- macro code_to_run(key) -%}
    {%- set plan = increment_plan(load_cached_relation(this), key, is_by_key=true) -%}
    {%- do forget_rows_of_python() -%}
    {%- do adapter.commit() -%}
    {%- if plan.reason == 'nothing changed' -%} {{ return(none) }}
    {%- elif plan.reason -%} {{ return(model.compiled_code) }}
    {%- endif -%}
    {{ return(since_versions(model.compiled_code, plan.record.read)) }}
{%- endmacro -%}

{#- As rows_and_touched_keys(). -#}
{%- macro rows_of_python(key) -%}
    {%- set columns = adapter.get_columns_in_relation(made_by_python()) | map(attribute='column') -%}
    {%- set others = columns | reject('in', key) | list -%}
    {{ return((
        'select * from ' ~ made_by_python() ~ ' where ' ~ (others | join(' is not null or ')) ~ ' is not null',
        'select ' ~ (key | join(', ')) ~ ' from ' ~ made_by_python()
    )) }}
{%- endmacro -%}

{%- macro forget_rows_of_python() -%}
    {%- call statement('forget') -%} drop table if exists {{ made_by_python() }} {%- endcall -%}
{%- endmacro -%}

{%- macro made_by_python() -%}
    {{ return(api.Relation.create(
        database=this.database, schema='increments', identifier=this.identifier ~ '__made', type='table'
    )) }}
{%- endmacro -%}
