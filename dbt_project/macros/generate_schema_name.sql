{#- Schemas are named after the layer: no target prefix, one warehouse is one company. -#}
{%- macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro -%}
