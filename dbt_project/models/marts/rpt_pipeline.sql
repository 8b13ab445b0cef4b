{{ config(materialized='by_key', key=['source', 'receipt_hour'], reads_raw=true) }}

{%- set only_touched_hours -%}
    {%- call in_increment() -%}
        semi join touched on rows.source = touched.key_1 and rows.receipt_hour is not distinct from touched.key_2
    {%- endcall -%}
{%- endset %}


with
    received as (
        select source, receipt_hour, sum(records) as received
        from {{ ref('stg_receipts') }} as rows {{ only_touched_hours }}
        group by source, receipt_hour
    ),

    judged as (
        select
            source,
            receipt_hour,
            count(*) filter (disposition = 'accepted') as accepted,
            count(*) filter (disposition = 'stripped') as stripped,
            count(*) filter (disposition = 'duplicate') as duplicate,
            count(*) filter (is_conflict) as conflicts,
            count(*) filter (redactions > 0) as redacted,
            count(*) filter (disposition = 'stripped' and strip_reason <> 'missing') as consent_denied
        from {{ ref('int_event_records') }} as rows {{ only_touched_hours }}
        group by source, receipt_hour
    ),

    reasons as (
        select source, receipt_hour, reason, sum(records) as records
        from {{ ref('stg_rejects') }} as rows {{ only_touched_hours }}
        group by source, receipt_hour, reason
    ),

    quarantined as (
        select
            source,
            receipt_hour,
            sum(records) as quarantined,
            cast(
                to_json(map(list(reason order by reason), list(records order by reason))) as varchar
            ) as quarantined_by_reason
        from reasons
        group by source, receipt_hour
    ),

    cells as (
        select source, receipt_hour
        from received
        union
        select source, receipt_hour
        from judged
        union
        select source, receipt_hour
        from quarantined
    )

select
    cells.source,
    cells.receipt_hour,
    cast(coalesce(received.received, 0) as bigint) as received,
    cast(coalesce(judged.accepted, 0) as bigint) as accepted,
    cast(coalesce(judged.stripped, 0) as bigint) as stripped,
    cast(coalesce(judged.duplicate, 0) as bigint) as duplicate,
    cast(coalesce(quarantined.quarantined, 0) as bigint) as quarantined,
    cast(0 as bigint) as suppressed,
    cast(0 as bigint) as erased,
    quarantined.quarantined_by_reason,
    cast(coalesce(judged.conflicts, 0) as bigint) as conflicts,
    cast(coalesce(judged.redacted, 0) as bigint) as redacted,
    cast(coalesce(judged.consent_denied, 0) as bigint) as consent_denied
from cells
left join received on cells.source = received.source and cells.receipt_hour is not distinct from received.receipt_hour
left join judged on cells.source = judged.source and cells.receipt_hour is not distinct from judged.receipt_hour
left join
    quarantined
    on cells.source = quarantined.source
    and cells.receipt_hour is not distinct from quarantined.receipt_hour

    {% call touched() %}
    select source, receipt_hour
    from {{ any_change(ref('int_event_records'), ['source', 'receipt_hour']) }}
    union all
    -- what raw tables hold of these is small, and is compared as it is: the ledger trusts nobody's word for it
    select coalesce(cells.source, counted.source), coalesce(cells.receipt_hour, counted.receipt_hour)
    from {{ this }} as cells
    full join
        (
            select source, receipt_hour, sum(received) as received, sum(quarantined) as quarantined
            from
                (
                    select source, receipt_hour, records as received, 0 as quarantined
                    from {{ ref('stg_receipts') }}
                    union all
                    select source, receipt_hour, 0, records
                    from {{ ref('stg_rejects') }}
                ) as found
            group by source, receipt_hour
        ) as counted
        on cells.source = counted.source
        and cells.receipt_hour is not distinct from counted.receipt_hour
    where
        coalesce(cells.received, 0) <> coalesce(counted.received, 0)
        or coalesce(cells.quarantined, 0) <> coalesce(counted.quarantined, 0)
    union all
    -- a reason may change while the number stays
    select source, receipt_hour
    from {{ ref('stg_rejects') }}
    {% endcall %}
