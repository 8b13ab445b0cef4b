{{ config(materialized='by_key', key='event_key') }}

-- Only where the law asks: a contract needs no consent. The entries of the ledger themselves are never withheld.
with
    denials as (
        select kind, value, valid_from, coalesce(valid_to, timestamp 'infinity') as valid_to
        from {{ ref('int_consent_ledger') }}
        where is_denied
    ),

    -- few: only identifiers with a denial can be denied
    events as (
        select events.dedupe_key, events.occurred_at, events.user_id, events.anonymous_id, events.device_id
        from {{ ref('stg_events') }} as events
        semi join
            (
                select source from {{ ref('int_sources') }} where lawful_basis in ('consent', 'legitimate_interests')
            ) as asked
            on events.source = asked.source {{ only_touched_records() }}
        where events.record_kind <> 'consent' and not events.is_deleted
    )

{% for kind in ['user_id', 'anonymous_id', 'device_id'] -%}
    select events.dedupe_key as event_key
    from events
    inner join
        denials
        on denials.kind = '{{ kind }}'
        and events.{{ kind }} = denials.value
        and events.occurred_at >= denials.valid_from
        and events.occurred_at < denials.valid_to
    {% if not loop.last %}
        union
    {% endif %}
{%- endfor %}

{% call touched() %}
    with arrived as (select dedupe_key, user_id, anonymous_id, device_id from {{ arrivals() }})

    -- only whom a denial names can be denied, and only who is can cease to be
    select arrived.dedupe_key
    from arrived
    semi join {{ this }} as denied on arrived.dedupe_key = denied.event_key
    {% for kind in ['user_id', 'anonymous_id', 'device_id'] %}
        union all
        select dedupe_key
        from arrived
        semi join {{ ref('int_consent_ledger') }} as ledger
            on ledger.kind = '{{ kind }}' and ledger.is_denied and arrived.{{ kind }} = ledger.value
        union all
        select dedupe_key
        from {{ ref('stg_events') }} as events
        semi join {{ changes(ref('int_consent_ledger'), ['kind', 'value', 'valid_from', 'valid_to', 'is_denied']) }} as ledger
            on ledger.kind = '{{ kind }}' and events.{{ kind }} = ledger.value
    {% endfor %}
{% endcall %}
