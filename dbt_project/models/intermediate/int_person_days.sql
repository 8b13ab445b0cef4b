-- Active: at least one interactive event of a person on a reporting day, by people (no bots, no own staff).
-- Distinct person-days are the one expensive step of actives and retention; both read them from here.
select person_id, occurred_date as active_date, surface, coalesce(platform, '(none)') as platform
from {{ ref('int_person_events') }}
where is_interactive and not is_bot and not is_internal
group by person_id, occurred_date, surface, coalesce(platform, '(none)')
