{#- How far the data reach: the minimum, over the live sources, of the greatest received_at. A window is
    complete only when every live source has passed its end; a stalled source holds it open. -#}
{%- macro data_until() -%}
    (select min(data_until) from {{ ref('int_data_until') }} where is_live)
{%- endmacro -%}
