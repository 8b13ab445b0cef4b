{{ config(
    meta={'dagster': {'ref': {'name': 'rpt_pipeline'}}},
) }}

with
    received as (
        select source, segment, receipt_hour, sum(records) as records from {{ ref('stg_receipts') }} group by all
    ),

    disposed as (
        select source, segment, receipt_hour, sum(records) as records
        from
            (
                select source, segment, receipt_hour, 1 as records
                from {{ ref('int_event_records') }}
                union all
                select source, segment, receipt_hour, records
                from {{ ref('stg_rejects') }}
            )
        group by all
    ),

    -- the report must say the same as the records it sums
    reported as (
        select
            'rpt_pipeline' as source,
            cast(null as varchar) as segment,
            receipt_hour,
            received,
            accepted + stripped + duplicate + quarantined + suppressed + erased as disposed
        from {{ ref('rpt_pipeline') }}
    )

select
    coalesce(received.source, disposed.source) as source,
    coalesce(received.segment, disposed.segment) as segment,
    coalesce(received.receipt_hour, disposed.receipt_hour) as receipt_hour,
    coalesce(received.records, 0) as received,
    coalesce(disposed.records, 0) as disposed
from received
full join
    disposed
    on received.source = disposed.source
    and received.segment = disposed.segment
    and received.receipt_hour is not distinct from disposed.receipt_hour
where coalesce(received.records, 0) <> coalesce(disposed.records, 0)

union all

select source, segment, receipt_hour, received, disposed
from reported
where received <> disposed
