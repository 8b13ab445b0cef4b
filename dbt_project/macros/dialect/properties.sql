{#- The text of one property, NULL when it is absent or null. `names` is the path below the properties
    object; a JSON pointer is used because names may hold dots, quotes and dollars. What the contract
    declares wins over what it does not. -#}
{%- macro property_text(alias, names) -%}
    {%- set pointer = [] -%}
    {%- for name in names -%}
        {%- do pointer.append('/' ~ (name | replace('~', '~0') | replace('/', '~1') | replace("'", "''"))) -%}
    {%- endfor -%}
    coalesce(
        json_extract_string({{ alias }}.properties, '{{ pointer | join("") }}'),
        json_extract_string({{ alias }}.properties_unreviewed, '{{ pointer | join("") }}')
    )
{%- endmacro -%}
