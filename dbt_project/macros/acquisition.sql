{#- The channel an event's own signals name, NULL when it names none (direct visits, in-app events).
    A referrer on the page's own host is navigation, not acquisition. -#}
{%- macro channel_signal(alias) -%}
    case
        when lower({{ alias }}.utm_medium) in ('cpc', 'ppc', 'paidsearch', 'paid_search', 'sem')
        then 'paid_search'
        when lower({{ alias }}.utm_medium) in ('paidsocial', 'paid_social', 'social_paid')
        then 'paid_social'
        when lower({{ alias }}.utm_medium) in ('display', 'banner', 'cpm')
        then 'display'
        when lower({{ alias }}.utm_medium) = 'affiliate'
        then 'affiliate'
        when lower({{ alias }}.utm_medium) in ('email', 'e-mail', 'newsletter')
        then 'email'
        when lower({{ alias }}.utm_medium) = 'social'
        then 'organic_social'
        when {{ alias }}.click_id_kind in ('gclid', 'gbraid', 'wbraid', 'msclkid')
        then 'paid_search'
        when {{ alias }}.click_id_kind is not null
        then 'paid_social'
        when lower({{ alias }}.utm_source) in ('newsletter', 'news', 'email')
        then 'email'
        when {{ alias }}.utm_source is not null
        then 'other_campaign'
        when
            {{ alias }}.referrer_host is null
            or {{ alias }}.referrer_host = regexp_extract({{ alias }}.page_url, '^[a-z]+://([^/:?#]+)', 1)
        then null
        when
            regexp_matches(
                {{ alias }}.referrer_host, '(^|\.)(google|bing|duckduckgo|ecosia|yahoo|baidu|yandex|qwant|startpage)\.'
            )
        then 'organic_search'
        when
            regexp_matches(
                {{ alias }}.referrer_host,
                '(^|\.)(facebook|instagram|twitter|x|t|linkedin|reddit|youtube|tiktok|pinterest)\.(com|co)$'
            )
        then 'organic_social'
        else 'referral'
    end
{%- endmacro -%}
