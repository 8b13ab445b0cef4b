{#- Values that name nobody: producers send them when they have no id, and some whole series of devices have one id.
    They never link. More of them are listed under identity.nobody. -#}
{%- macro is_null_like(value) -%}
    (
        lower(trim({{ value }})) in (
            '', 'null', 'none', 'nil', 'undefined', 'nan', 'n/a', 'na', 'unknown', 'anonymous', 'guest', 'default',
            '-', '0', '-1', 'true', 'false', '(not set)', 'not set', '[object object]', 'anon', 'test',
            '9774d56d682e549c', '02:00:00:00:00:00'
        )
        or regexp_full_match({{ value }}, '[0:\-]+')
        {%- if var('tl_identity').nobody %}
            or lower(trim({{ value }})) in {{ text_list(var('tl_identity').nobody | map('lower')) }}
        {%- endif %}
    )
{%- endmacro -%}

{#- The priority of an identifier's kind, 1 = strongest. 1-4 name a person, 5-6 a device. -#}
{%- macro kind_priority(kind) -%}
    case
        when {{ kind }} = 'user_id' then 1
        when {{ kind }} like 'external:%' then 2
        when {{ kind }} = 'email' then 3
        when {{ kind }} = 'phone' then 4
        when {{ kind }} = 'anonymous_id' then 5
        when {{ kind }} = 'device_id' then 6
    end
{%- endmacro -%}

{#- The components of the identity graph, by the solver that was chosen, with what changed since. -#}
{%- macro identity_components() -%}
    {{ return(ref('int_identity_groups' if var('tl_component_solver') == 'sql' else 'int_identity_components')) }}
{%- endmacro -%}
