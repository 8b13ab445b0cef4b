{{ config(materialized='by_key', key=['higher_kind', 'higher_value']) }}

{#- Evidence that may link: persons by trusted sources only; the identifiers of a device are one device whoever
    sent them. Null-like values are left out. -#}
select
    higher_kind,
    higher_value,
    higher_priority,
    lower_kind,
    lower_value,
    lower_priority,
    higher_kind || chr(31) || higher_value as higher_node,
    lower_kind || chr(31) || lower_value as lower_node,
    higher_priority >= 5 as is_device,
    bool_or(is_trusted) as is_trusted
from {{ ref('int_identity_evidence') }} as evidence {{ only_touched('evidence.higher_kind', 'evidence.higher_value') }}
where
    evidence in ('event', 'row') and not is_null_like and (higher_priority >= 5 or (lower_priority <= 4 and is_trusted))
group by
    all

    {% call touched() %}
    select higher_kind, higher_value
    from
        {{ changes(ref('int_identity_evidence'), ['higher_kind', 'higher_value', 'lower_kind', 'lower_value', 'evidence', 'source', 'is_null_like', 'is_trusted']) }}
    {% endcall %}
