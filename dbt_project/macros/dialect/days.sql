{#- The UTC instant at which a reporting day ends: midnight of the next local day. -#}
{%- macro day_end_utc(day) -%}
    {%- if var('tl_time_zone') == 'UTC' -%} cast({{ day }} + 1 as timestamp)
    {%- else -%} timezone('UTC', timezone('{{ var("tl_time_zone") }}', cast({{ day }} + 1 as timestamp)))
    {%- endif -%}
{%- endmacro -%}
