{#- The copies of one event share a dedupe key: the keyed hash of (dedupe group, producer's id). The winner is
    the copy received first; its position breaks ties, so no order of loading can change it. One copy without
    a legal ground denies all copies. -#}
with
    records as (
        select
            source,
            segment,
            position,
            item,
            receipt_hour,
            received_at,
            disposition = 'stripped' as is_stripped,
            strip_reason,
            dedupe_key,
            content_digest,
            redactions,
            consent_analytics,
            consent_marketing
        from {{ ref('stg_events') }}
    ),

    ranked as (
        select
            *,
            row_number() over copies as copy_number,
            count(*) over all_copies as copies,
            bool_or(is_stripped) over all_copies as is_denied,
            first_value(content_digest) over copies <> content_digest as is_conflict
        from records
        window
            copies as (partition by dedupe_key order by received_at, source, segment, position, item),
            all_copies as (partition by dedupe_key)
    )

select
    source,
    segment,
    position,
    item,
    dedupe_key as event_key,
    receipt_hour,
    received_at,
    case when copy_number > 1 then 'duplicate' when is_denied then 'stripped' else 'accepted' end as disposition,
    case
        when copy_number > 1 then null when is_stripped then strip_reason when is_denied then 'denied_by_copy'
    end as strip_reason,
    copies,
    is_conflict,
    redactions,
    consent_analytics,
    consent_marketing
from ranked
