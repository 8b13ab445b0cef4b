{{ config(materialized='by_key', key='subject_key') }}

select
    subject_key,
    source,
    record_kind,
    user_id,
    external_ids,
    email_token,
    phone_token,
    anonymous_id,
    device_id,
    previous_anonymous_id,
    previous_user_id,
    is_trusted,
    is_device_sent,
    min(occurred_at) as first_seen_at,
    max(occurred_at) as last_seen_at,
    count(*) as events,
    min_by(event_key, {ts:occurred_at, key:event_key}) as example_event_key
from {{ ref('int_event_subjects') }} as events {{ only_touched('events.subject_key') }}
group by
    all

    {% call touched() %}
    select subject_key
    from {{ changes(ref('int_event_subjects'), ['event_key', 'subject_key', 'occurred_at']) }}
    {% endcall %}
