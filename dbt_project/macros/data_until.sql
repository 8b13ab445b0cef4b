{#- How far the data reach: the minimum, over the live sources, of the greatest received_at. A window is
    complete only when every live source has passed its end: a stalled source holds it open, and so does one that
    has not delivered yet (NULL). -#}
{%- macro data_until() -%}
    (
        select case when count(*) = count(data_until) then min(data_until) end
        from {{ ref('int_data_until') }}
        where is_live
    )
{%- endmacro -%}
