{{ config(materialized='recomputed') }}

{#- Observed, never projected. A cohort is everybody who was active or paid first in the same month; who only pays
    through a server is a customer too. Bots and the company's own people are nobody's customers. -#}
with
    amounts as (
        select *
        from {{ ref('int_order_amounts') }}
        where is_authoritative and person_id is not null and not is_bot and not is_internal
    ),

    firsts as (
        select person_id, cohort_date
        from {{ ref('int_person_starts') }}
        union all
        select person_id, occurred_date
        from amounts
    ),

    persons as (
        select person_id, cast(date_trunc('month', min(cohort_date)) as date) as cohort_month
        from firsts
        group by person_id
    ),

    cohorts as (select cohort_month, count(*) as cohort_size from persons group by cohort_month),

    bounds as (
        select
            cast(
                date_trunc('month', greatest(max(cohort_date), cast({{ to_local(data_until()) }} as date))) as date
            ) as last_month
        from firsts
    ),

    payments as (
        select
            persons.cohort_month,
            (year(amounts.occurred_date) - year(persons.cohort_month)) * 12
            + month(amounts.occurred_date)
            - month(persons.cohort_month) as n,
            sum(amounts.revenue_reporting) as net,
            count(*) filter (amounts.is_rate_missing) as rates_missing
        from amounts
        inner join persons on amounts.person_id = persons.person_id
        group by persons.cohort_month, n
    ),

    -- months that have begun; a month in the future has no number
    grid as (
        select
            cohorts.cohort_month,
            cohorts.cohort_size,
            n,
            cast(cohorts.cohort_month + to_months(cast(n + 1 as integer)) as date) - 1 as last_day
        from cohorts
        cross join bounds
        cross join
            unnest(
                range(
                    0,
                    (year(bounds.last_month) - year(cohorts.cohort_month)) * 12
                    + month(bounds.last_month)
                    - month(cohorts.cohort_month)
                    + 1
                )
            ) as months(n)
    ),

    cumulated as (
        select
            grid.*,
            sum(coalesce(payments.net, 0)) over so_far as net,
            sum(coalesce(payments.rates_missing, 0)) over so_far as rates_missing
        from grid
        left join payments on grid.cohort_month = payments.cohort_month and grid.n = payments.n
        window
            so_far as (partition by grid.cohort_month order by grid.n rows between unbounded preceding and current row)
    )

select
    cohort_month,
    cast(n as integer) as n,
    cohort_size,
    cast(net as decimal(18, 2)) as cumulative_net_reporting,
    cast(cast(net as decimal(18, 2)) / cohort_size as double) as ltv_reporting,
    rates_missing > 0 as is_rate_missing,
    coalesce({{ data_until() }} >= {{ day_end_utc('last_day') }}, false) as is_complete
from cumulated
