{#- Where a configured dimension comes from; whatever is none stands for itself. -#}
{%- macro dimension_source(path) -%}
    {%- for dimension in var('tl_dimensions') if dimension.name == path -%}
        {{ return(dimension['from']) }}
    {%- endfor -%}
    {{ return(path) }}
{%- endmacro -%}

{#- The value of a dimension on an event; it is published, so of a property no contract declares only that it
    is there. -#}
{%- macro dimension_value(dimension, details) -%}
    {{ reviewed_property_text(details, dimension['from'].split('.')[1:]) }}
{%- endmacro -%}

{#- The values of all configured dimensions on an event, in the order of the configuration. -#}
{%- macro dimension_values(details) -%}
    cast([
        {%- for dimension in var('tl_dimensions') -%}
            {{ dimension_value(dimension, details) }} {%- if not loop.last %}, {% endif -%}
        {%- endfor -%}
    ] as varchar[])
{%- endmacro -%}

{#- A JSON text: each configured dimension with its value, in the order of the configuration. -#}
{%- macro dimensions_object(values) -%}
    {%- if values -%}
    cast(
        json_object(
            {%- for value in values -%}
            '{{ var("tl_dimensions")[loop.index0].name }}', {{ value }}{%- if not loop.last %}, {% endif -%}
            {%- endfor -%}
        ) as varchar
    )
    {%- else -%} '{}'
    {%- endif -%}
{%- endmacro -%}
