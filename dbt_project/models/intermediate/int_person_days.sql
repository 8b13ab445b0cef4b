{{ config(materialized='by_key', key=['person_id', 'active_date']) }}

-- Active: at least one interactive event of a person on a reporting day, by people (no bots, no own staff).
-- Distinct person-days are the one expensive step of actives and retention; both read them from here.
select person_id, occurred_date as active_date, surface, coalesce(platform, '(none)') as platform
from {{ ref('int_person_events') }} as events {{ only_touched('events.person_id', 'events.occurred_date') }}
where is_interactive and not is_bot and not is_internal
group by
    person_id,
    occurred_date,
    surface,
    coalesce(platform, '(none)')

    {% call touched() %}
    select person_id, occurred_date
    from
        {{ changes(ref('int_person_events'), ['person_id', 'occurred_date', 'surface', 'platform', 'is_interactive', 'is_bot', 'is_internal']) }}
    {% endcall %}
