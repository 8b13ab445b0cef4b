-- with_valid_consent + on_other_basis + missing + denied_analytics = events
select
    cast({{ to_local('received_at') }} as date) as received_date,
    source,
    cast(count(*) as bigint) as events,
    cast(count(*) filter (disposition = 'accepted' and consent_analytics is true) as bigint) as with_valid_consent,
    cast(count(*) filter (disposition = 'accepted' and consent_analytics is not true) as bigint) as on_other_basis,
    cast(count(*) filter (disposition = 'stripped' and strip_reason = 'missing') as bigint) as missing,
    cast(count(*) filter (disposition = 'stripped' and strip_reason <> 'missing') as bigint) as denied_analytics,
    -- marketing always needs an explicit yes: silence and a no are both without one, and told apart
    cast(count(*) filter (consent_marketing is true) as bigint) as with_marketing_consent,
    cast(count(*) filter (consent_marketing is null) as bigint) as missing_marketing,
    cast(count(*) filter (consent_marketing is false) as bigint) as denied_marketing
from {{ ref('int_event_records') }}
where disposition <> 'duplicate'
group by all
