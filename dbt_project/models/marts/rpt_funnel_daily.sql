{{ config(materialized='recomputed') }} {{ funnel_report(of_days=true) }}
