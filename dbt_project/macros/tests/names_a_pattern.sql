{#- A rule without any pattern would match nothing, or everything, depending on who reads it. -#}
{% test names_a_pattern(model, columns) %}
    select * from {{ model }} where coalesce({{ columns | join(', ') }}) is null
{% endtest %}
