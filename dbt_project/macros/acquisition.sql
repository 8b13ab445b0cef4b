{#- The host an event's page lies on, in lower case. -#}
{%- macro page_host(alias) -%}
    nullif(regexp_extract(lower({{ alias }}.page_url), '^[a-z]+://([^/:?#]+)', 1), '')
{%- endmacro -%}

{#- The host a visitor came from; NULL when it is the page's own: that is navigation, not acquisition. -#}
{%- macro outer_referrer_host(alias) -%}
    nullif(lower({{ alias }}.referrer_host), {{ page_host(alias) }})
{%- endmacro -%}

{#- Whether a value satisfies a rule's pattern, which the whole value must match; no pattern is always satisfied. -#}
{%- macro matches(value, pattern) -%}
    ({{ pattern }} is null or coalesce(regexp_full_match({{ value }}, {{ pattern }}), false))
{%- endmacro -%}
