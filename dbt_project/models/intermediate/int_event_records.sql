{{ config(materialized='by_key', key='event_key') }}

{#- The copies of one event share a dedupe key: the keyed hash of (dedupe group, producer's id). The winner is the
    copy received first; its position breaks ties, so no order of loading can change it. Records that are versions
    of a row (version_at) are won by the latest version instead, and their difference is no conflict. One copy
    without a legal ground denies all copies; a version that only says that the row is gone uses nothing, so it
    denies nothing. -#}
with
    -- read three times; of an increment they are few, and found once
    records as
    {% call in_increment() %}materialized{% endcall %} (
        select
            events.source,
            events.segment,
            events.position,
            events.item,
            events.record_kind,
            events.version_at,
            events.is_deleted,
            events.receipt_hour,
            events.received_at,
            events.disposition = 'stripped' as is_stripped,
            events.strip_reason,
            denials.event_key is not null as is_denied_by_ledger,
            events.dedupe_key,
            events.content_digest,
            events.redactions,
            events.consent_analytics,
            events.consent_marketing
        from {{ ref('stg_events') }} as events
        left join
            {{ ref('int_ledger_denials') }} as denials on events.dedupe_key = denials.event_key
            {{ only_touched_records() }}
    ),

    -- few: most events came once, and need no window to say so
    repeated as (select dedupe_key from records group by dedupe_key having count(*) > 1),

    copies as (
        select
            *,
            row_number() over copies as copy_number,
            count(*) over all_copies as copies,
            bool_or((is_stripped or is_denied_by_ledger) and not is_deleted) over all_copies as is_denied,
            version_at is null and first_value(content_digest) over copies <> content_digest as is_conflict
        from records
        semi join repeated on records.dedupe_key is not distinct from repeated.dedupe_key
        window
            copies as (
                partition by dedupe_key
                order by
                    version_at desc nulls last,
                    case when version_at is not null then received_at end desc nulls last,
                    case when version_at is not null then content_digest end desc nulls last,
                    received_at,
                    source,
                    segment,
                    position,
                    item
            ),
            all_copies as (partition by dedupe_key)
    ),

    ranked as (
        select *
        from copies
        union all
        select *, 1, 1, (is_stripped or is_denied_by_ledger) and not is_deleted, false
        from records
        anti join repeated on records.dedupe_key is not distinct from repeated.dedupe_key
    )

select
    source,
    segment,
    position,
    item,
    dedupe_key as event_key,
    record_kind,
    receipt_hour,
    received_at,
    cast({{ to_local('received_at') }} as date) as received_date,
    case
        when copy_number > 1 then 'duplicate' when is_stripped or is_denied then 'stripped' else 'accepted'
    end as disposition,
    case
        when copy_number > 1
        then null
        when is_stripped
        then strip_reason
        when is_denied and is_denied_by_ledger
        then 'denied_by_ledger'
        when is_denied
        then 'denied_by_copy'
    end as strip_reason,
    is_deleted,
    copies,
    is_conflict,
    redactions,
    consent_analytics,
    consent_marketing
from
    ranked

    {% call touched() %}
    select dedupe_key
    from {{ arrivals() }}
    union all
    select event_key
    from {{ changes(ref('int_ledger_denials'), ['event_key']) }}
    {% endcall %}
