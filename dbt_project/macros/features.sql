{#- Every event the features ask for: their uses, and what makes a person eligible. Filters are those of funnels. -#}
{%- macro feature_parts() -%}
    {%- set parts = [] -%}
    {%- for feature in var('tl_features') -%}
        {%- set asked = {'use': feature, 'eligible': feature.get('eligible')} -%}
        {%- for part, wanted in asked.items() if wanted -%}
            {%- do parts.append({
                'feature': feature.name, 'part': part, 'event': wanted.event, 'where': wanted.get('where') or {}
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(parts) }}
{%- endmacro -%}
