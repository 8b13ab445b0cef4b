{#- No two rows share the columns of the grain; NULLs are equal, so an undated row is unique too. -#}
{% test unique_grain(model, columns) %}
    select {{ columns | join(', ') }}, count(*) as rows
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endtest %}
