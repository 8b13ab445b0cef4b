{#- The text of one property, NULL when it is absent or null. `names` is the path below the properties
    object; a JSON pointer is used because names may hold dots, quotes and dollars. What the contract
    declares wins over what it does not. -#}
{%- macro property_text(alias, names) -%}
    coalesce(
        json_extract_string({{ alias }}.properties, '{{ property_pointer(names) }}'),
        json_extract_string({{ alias }}.properties_unreviewed, '{{ property_pointer(names) }}')
    )
{%- endmacro -%}

{#- As property_text, for what is published: a value nobody has reviewed shows only that it is there. -#}
{%- macro reviewed_property_text(alias, names) -%}
    coalesce(
        json_extract_string({{ alias }}.properties, '{{ property_pointer(names) }}'),
        case
            when json_extract_string({{ alias }}.properties_unreviewed, '{{ property_pointer(names) }}') is not null
            then '(unreviewed)'
        end
    )
{%- endmacro -%}

{#- The names as a JSON pointer inside an SQL literal. -#}
{%- macro property_pointer(names) -%}
    {%- for name in names -%}
        {{- '/' ~ (name | replace('~', '~0') | replace('/', '~1') | replace("'", "''")) -}}
    {%- endfor -%}
{%- endmacro -%}
