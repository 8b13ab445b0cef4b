select
    cast({{ to_local('received_at') }} as date) as received_date,
    source,
    cast(count(*) as bigint) as events,
    cast(count(*) filter (consent_analytics is true and disposition = 'accepted') as bigint) as with_valid_consent,
    cast(count(*) filter (consent_analytics is null and disposition = 'accepted') as bigint) as on_other_basis,
    cast(count(*) filter (disposition = 'stripped' and strip_reason = 'missing') as bigint) as missing,
    cast(count(*) filter (disposition = 'stripped' and strip_reason <> 'missing') as bigint) as denied_analytics,
    -- marketing always needs an explicit yes
    cast(count(*) filter (consent_marketing is not true) as bigint) as denied_marketing
from {{ ref('int_event_records') }}
where disposition <> 'duplicate'
group by all
