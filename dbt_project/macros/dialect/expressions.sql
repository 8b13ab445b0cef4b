{#- The few expressions whose spelling differs between engines; models use these names only. -#}

{#- HMAC-SHA256 (RFC 2104) of a text under the person salt, 64 hex digits. The pads are session
    variables set by governance/dbt_session.py, so the key is in no SQL text. -#}
{%- macro hmac_hex(text) -%}
    sha256(getvariable('tl_opad') || unhex(sha256(getvariable('tl_ipad') || encode({{ text }}))))
{%- endmacro -%}

{#- person_id of an identity root: the same for any arrival order and rebuild. -#}
{%- macro person_id(kind, value) -%}
    'p_' || substr({{ hmac_hex(kind ~ " || chr(31) || " ~ value) }}, 1, 32)
{%- endmacro -%}

{#- UTC timestamp to the wall clock of the reporting time zone; both without a zone. -#}
{%- macro to_local(column) -%}
    {%- if var('tl_time_zone') == 'UTC' -%} {{ column }}
    {%- else -%} timezone('{{ var("tl_time_zone") }}', timezone('UTC', {{ column }}))
    {%- endif -%}
{%- endmacro -%}

{#- Microseconds between two timestamps, a whole number: sums of it do not depend on row order, as sums of
    doubles would. -#}
{%- macro microseconds_between(earlier, later) -%}
    (epoch_us({{ later }}) - epoch_us({{ earlier }}))
{%- endmacro -%}

{#- Whole and fractional seconds between two timestamps, exact to the microsecond. -#}
{%- macro seconds_between(earlier, later) -%}
    {{ microseconds_between(earlier, later) }} / 1e6
{%- endmacro -%}

{#- A list of text literals for IN; never empty. -#}
{%- macro text_list(values) -%}
    ({%- for value in values -%} '{{ value | replace("'", "''") }}' {%- if not loop.last %}, {% endif -%} {%- else -%} null {%- endfor -%})
{%- endmacro -%}

{#- Ends the query with a message; NULL is never reached. -#}
{%- macro fail_with(message) -%}
    error({{ message }})
{%- endmacro -%}

{#- A number's place in a pseudo-random order, another one in every round. -#}
{%- macro shuffled(number, round) -%} {{ return(adapter.dispatch('shuffled')(number, round)) }} {%- endmacro -%}

{%- macro default__shuffled(number, round) -%} hash({{ number }}, {{ round }}) {%- endmacro -%}

{%- macro spark__shuffled(number, round) -%} xxhash64({{ number }}, {{ round }}) {%- endmacro -%}
