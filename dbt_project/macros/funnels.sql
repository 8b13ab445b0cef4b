{#- What a filter or a breakdown of a funnel may name besides `properties.<name>`. Identifiers are left
    out on purpose: a breakdown is published. -#}
{%- macro funnel_fields() -%}
    {{ return([
        'event_type', 'schema_version', 'contract_status', 'source', 'trust', 'surface', 'platform', 'app_version',
        'library', 'library_version', 'page_path', 'page_title', 'referrer_host', 'screen', 'utm_source', 'utm_medium',
        'utm_campaign', 'utm_term', 'utm_content', 'click_id_kind', 'locale', 'time_zone', 'country', 'device_class',
        'is_interactive', 'is_key_event', 'currency', 'channel'
    ]) }}
{%- endmacro -%}

{#- The text of the field a filter or a breakdown names, NULL when missing. `events` and `details` are the
    aliases under which int_person_events (for the session's channel) and int_events are in reach. -#}
{%- macro funnel_field(path, events, details) -%}
    {%- set path = dimension_source(path) -%}
    {%- set names = path.split('.') -%}
    {%- if names[0] == 'properties' and names | length > 1 -%} {{ property_text(details, names[1:]) }}
    {%- elif path == 'channel' -%} {{ events }}.channel
    {%- elif path in funnel_fields() -%} cast({{ details }}.{{ path }} as varchar)
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "A funnel names the field '" ~ path ~ "'. Use properties.<name>, a dimension or one of: " ~ (funnel_fields() | join(', ')) ~ "."
        ) }}
    {%- endif -%}
{%- endmacro -%}

{#- The value of a breakdown; it is published, so of a property no contract declares only that it is there. -#}
{%- macro funnel_breakdown(path, events, details) -%}
    {%- set path = dimension_source(path) -%}
    {%- set names = path.split('.') -%}
    {%- if names[0] == 'properties' and names | length > 1 -%} {{ reviewed_property_text(details, names[1:]) }}
    {%- else -%} {{ funnel_field(path, events, details) }}
    {%- endif -%}
{%- endmacro -%}

{#- Equality of a field's text with one configured scalar. Numbers compare by value (10 is 10.0 is 1e1) as
    far as a double is exact, everything else by its JSON text; null means missing. -#}
{%- macro funnel_equals(text, value) -%}
    {%- if value is none -%} {{ text }} is null
    {%- elif value is boolean -%} {{ text }} = '{{ value | lower }}'
    {%- elif value is number and value | abs < 9007199254740992 -%} try_cast({{ text }} as double) = {{ value }}
    {%- else -%} {{ text }} = '{{ value | string | replace("'", "''") }}'
    {%- endif -%}
{%- endmacro -%}

{#- `where:` of a step or an exclusion: every field equals its scalar, or one of its list. -#}
{%- macro funnel_filter(where, events, details) -%}
    {%- for path, wanted in where.items() -%}
        {%- set text = funnel_field(path, events, details) -%}
        {%- set values = [wanted] if wanted is none or wanted is string or wanted is not iterable else wanted -%}
        and coalesce(
            {%- for value in values %}
            {{ funnel_equals(text, value) }}
            {%- if not loop.last %} or {% endif -%}
            {%- else %} false
            {%- endfor %},
            false
        )
    {% endfor -%}
{%- endmacro -%}

{#- Every event a funnel asks for: its steps, then its exclusions, numbered from 1 within each part. -#}
{%- macro funnel_parts() -%}
    {%- set parts = [] -%}
    {%- for funnel in var('tl_funnels') -%}
        {%- for step in funnel.steps -%}
            {%- do parts.append({
                'funnel': funnel.name, 'part': 'step', 'ordinal': loop.index,
                'event': step.event, 'where': step.get('where') or {}
            }) -%}
        {%- endfor -%}
        {%- for exclusion in funnel.get('exclusions') or [] -%}
            {%- do parts.append({
                'funnel': funnel.name, 'part': 'exclusion', 'ordinal': loop.index,
                'event': exclusion.event, 'where': exclusion.get('where') or {}
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(parts) }}
{%- endmacro -%}

{#- The names of the events that parts of funnels or features ask for, each once. Names that differ in case only are two:
    Jinja's filter would take them for one. -#}
{%- macro event_names(parts) -%}
    {{ return(parts | map(attribute='event') | unique(case_sensitive=true) | list) }}
{%- endmacro -%}

{#- Whether one event can match two steps of a funnel (int_funnels.has_shared_events). -#}
{%- macro funnel_shares_events(funnel) -%}
    {{ return(event_names(funnel.steps) | length < funnel.steps | length) }}
{%- endmacro -%}

{#- The funnels of int_funnel_ordered_attempts: the common ones. -#}
{%- macro ordered_funnels() -%}
    {%- set found = [] -%}
    {%- for funnel in var('tl_funnels') if funnel.mode == 'ordered' and not funnel_shares_events(funnel) -%}
        {%- do found.append(funnel) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro -%}

{#- The funnels of int_funnel_walked_attempts. -#}
{%- macro walked_funnels() -%}
    {%- set found = [] -%}
    {%- for funnel in var('tl_funnels') -%}
        {%- if funnel.mode == 'strict' or (funnel.mode == 'ordered' and funnel_shares_events(funnel)) -%}
            {%- do found.append(funnel) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro -%}

{#- The greatest number of steps among these funnels, 0 without any. -#}
{%- macro funnel_max_steps(funnels) -%}
    {%- set lengths = [0] -%}
    {%- for funnel in funnels -%} {%- do lengths.append(funnel.steps | length) -%} {%- endfor -%}
    {{ return(lengths | max) }}
{%- endmacro -%}

{#- Whether one event can serve several steps of some funnel that is walked. -#}
{%- macro some_funnel_shares_events() -%}
    {%- set shared = [] -%}
    {%- for funnel in walked_funnels() if funnel_shares_events(funnel) -%} {%- do shared.append(funnel.name) -%} {%- endfor -%}
    {{ return(shared | length > 0) }}
{%- endmacro -%}

{%- macro some_funnel_is(mode) -%}
    {{ return(var('tl_funnels') | selectattr('mode', 'equalto', mode) | list | length > 0) }}
{%- endmacro -%}

{#- Orders the attempts of one person and day, those that go deeper later and then those that start later, by one
    number: the depth above the microseconds from the day, which no time zone takes as far as 2^40. -#}
{%- macro deepest_then_latest(depth='len(step_times)') -%}
{{ depth }} * (cast(1 as bigint) << 40) + epoch_us(entered_at) - epoch_us(cast(entry_date as timestamp))
{%- endmacro -%}

{#- A list value of text literals, possibly empty. -#}
{%- macro text_array(values) -%}
    cast([
        {%- for value in values -%}
        '{{ value | replace("'", "''") }}'{%- if not loop.last %}, {% endif -%}
        {%- endfor -%}
    ] as varchar[])
{%- endmacro -%}
