{#- What every tracked model was built from: `increments.models` (one row per model) and `increments.read` (one row
    per model and input), written in the transaction that writes the model. -#}

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

{#- The tracked models this one reads, through views as well; and what stands for the code and the seeds among its
    inputs. `untracked` are inputs whose changes nobody would tell. -#}
{%- macro increment_inputs(node) -%}
    {%- set found = namespace(tracked=[], code=[], untracked=[]) -%}
    {%- set pending = node.depends_on.nodes | list -%}
    {%- set seen = [] -%}
    {%- for _ in range(1000) if pending -%}
        {%- set id = pending.pop() -%}
        {%- if id not in seen -%}
            {%- do seen.append(id) -%}
            {%- if id.startswith('source.') -%}
                {%- do found.untracked.append(id.split('.')[-1]) -%}
            {%- else -%}
                {%- set parent = graph.nodes[id] -%}
                {%- if parent.config.materialized in ('by_key', 'recomputed') -%}
                    {%- do found.tracked.append(parent.name) -%}
                {%- elif parent.resource_type == 'seed' -%}
                    {%- do found.code.append(parent.checksum.checksum) -%}
                {%- elif parent.config.materialized in ('view', 'ephemeral') -%}
                    {%- do found.code.append(parent.checksum.checksum) -%}
                    {%- do pending.extend(parent.depends_on.nodes) -%}
                {%- else -%}
                    {%- do found.untracked.append(parent.name) -%}
                {%- endif -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return({'tracked': found.tracked | unique | sort | list, 'code': found.code | sort, 'untracked': found.untracked | unique | sort | list}) }}
{%- endmacro -%}

{#- A row of the state as a dictionary, none when there is none. -#}
{%- macro increment_state(name) -%}
    {%- set rows = run_query("select signature, version, changes_since from increments.models where model = '" ~ name ~ "'").rows -%}
    {%- if rows | length -%}
        {{ return({'signature': rows[0][0], 'version': rows[0][1] | int, 'changes_since': rows[0][2] | int}) }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}

{#- Note what was done, and which versions of its inputs the model now stands for. Ends the model's transaction. -#}
{%- macro note_increment(name, signature, version, changes_since, inputs, strategy, reason, counts) -%}
    {%- call statement('forget') -%}
        delete from increments.models where model = '{{ name }}';
        delete from increments.read where model = '{{ name }}';
    {%- endcall -%}
    {%- for input, version in inputs.items() -%}
        {%- call statement('read_' ~ input) -%}
            insert into increments.read values ('{{ name }}', '{{ input }}', {{ version }})
        {%- endcall -%}
    {%- endfor -%}
    {%- call statement('main') -%}
        insert into increments.models values (
            '{{ name }}', '{{ signature }}', {{ version }}, {{ changes_since }}, '{{ strategy }}',
            '{{ reason | replace("'", "''") }}', {{ counts.touched }}, {{ counts.computed }}, {{ counts.changed }}
        )
    {%- endcall -%}
{%- endmacro -%}
