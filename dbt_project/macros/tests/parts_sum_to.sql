{#- The columns of a partition add up to its total, row by row. -#}
{% test parts_sum_to(model, parts, total) %}
    select * from {{ model }} where {{ parts | join(' + ') }} <> {{ total }}
{% endtest %}
