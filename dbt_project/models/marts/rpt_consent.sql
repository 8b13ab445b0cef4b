{{ config(materialized='by_key', key=['received_date', 'source']) }}

-- with_valid_consent + on_other_basis + missing + denied_analytics + denied_by_ledger = events
with
    records as (
        select *, record_kind = 'consent' as is_ledger_entry
        from {{ ref('int_event_records') }} as records {{ only_touched('records.received_date', 'records.source') }}
        where disposition <> 'duplicate' and not is_deleted
    )

select
    received_date,
    source,
    cast(count(*) filter (not is_ledger_entry) as bigint) as events,
    cast(
        count(*) filter (not is_ledger_entry and disposition = 'accepted' and consent_analytics is true) as bigint
    ) as with_valid_consent,
    cast(
        count(*) filter (not is_ledger_entry and disposition = 'accepted' and consent_analytics is not true) as bigint
    ) as on_other_basis,
    cast(count(*) filter (disposition = 'stripped' and strip_reason = 'missing') as bigint) as missing,
    cast(
        count(*) filter (disposition = 'stripped' and strip_reason not in ('missing', 'denied_by_ledger')) as bigint
    ) as denied_analytics,
    cast(
        count(*) filter (disposition = 'stripped' and strip_reason = 'denied_by_ledger') as bigint
    ) as denied_by_ledger,
    -- marketing always needs an explicit yes: silence and a no are both without one, and told apart
    cast(count(*) filter (not is_ledger_entry and consent_marketing is true) as bigint) as with_marketing_consent,
    cast(count(*) filter (not is_ledger_entry and consent_marketing is null) as bigint) as missing_marketing,
    cast(count(*) filter (not is_ledger_entry and consent_marketing is false) as bigint) as denied_marketing,
    cast(count(*) filter (is_ledger_entry) as bigint) as ledger_entries
from records
group by
    received_date,
    source

    {% call touched() %}
    select received_date, source
    from {{ any_change(ref('int_event_records'), ['received_date', 'source']) }}
    {% endcall %}
