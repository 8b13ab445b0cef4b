import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.config import (
    Config,
    ConfigError,
    SecretRef,
    check_config,
    dbt_vars,
    json_schema,
    load_config,
    parse_config,
)
from governance.config.editor_schema import SCHEMA_FILE
from governance.config.model import FUNNEL_FIELDS
from governance.config.scalars import format_duration, parse_duration
from governance.errors import UserError
from governance.home import Home

SOURCE = "{name: web, path: landing/web, surface: web, trust: public, lawful_basis: consent}"
MINIMAL = f"company: acme\nsources:\n  - {SOURCE}\n"
FUNNEL = """\
funnels:
  - name: activation
    steps: [{event: sign_up}, {event: order, where: {properties.plan: pro}}]
    window: 7d
"""


def parse(text: str) -> Config:
    return parse_config(text, Path("throughline.yml"))


def fault_lines(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return caught.value.what.splitlines()


def only_fault(text: str) -> str:
    lines = fault_lines(text)
    assert len(lines) == 1, lines
    return lines[0]


def test_what_is_left_out_has_the_documented_defaults() -> None:
    config = parse(MINIMAL)
    assert (config.time_zone, config.currency) == ("UTC", "EUR")
    assert config.sign_up_event == "sign_up"
    assert config.sessions.timeout == timedelta(minutes=30)
    assert (config.sessions.scope, config.sessions.max_length) == ("person", None)
    assert config.identity.handover_gap == timedelta(minutes=30)
    assert (config.identity.hub_limit, config.identity.kiosk_limit) == (50, 10)
    assert (config.limits.line_bytes, config.limits.depth) == (2**20, 32)
    assert (config.publish.keep_hourly, config.publish.keep_daily) == (7, 7)
    source = config.source("web")
    assert (source.kind, source.shape, source.group, source.is_live) == (
        "landing",
        "native",
        "web",
        True,
    )


def test_a_missing_file_says_how_to_make_one(home: Home) -> None:
    with pytest.raises(UserError, match="throughline init"):
        load_config(home)


def test_a_fault_names_file_line_key_and_fix(home: Home) -> None:
    home.config.write_text(MINIMAL + "timezone: UTC\n")
    with pytest.raises(ConfigError) as caught:
        load_config(home)
    assert caught.value.what == (
        f"{home.config}, line 4: timezone: is not a key here. Did you mean 'time_zone'?"
    )
    assert "config check" in caught.value.fix
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MINIMAL + "currency: euro\n", "line 4: currency: 'euro' .* ISO 4217"),
        (
            MINIMAL + "time_zone: Mars/Base\n",
            "line 4: time_zone: 'Mars/Base' is not a known time zone",
        ),
        (MINIMAL + "sessions: {timeout: 0m}\n", "line 4: sessions.timeout: '0m' .* positive"),
        (
            MINIMAL + "sessions: {timeout: -5m}\n",
            "line 4: sessions.timeout: '-5m' is not a",
        ),
        (
            MINIMAL + "sessions: {timeout: 30m, max_length: 20m}\n",
            "line 4: sessions.max_length: is shorter than the time-out",
        ),
        (MINIMAL + "sessions: {timeout: 999w}\n", "line 4: sessions.timeout: .* ten years"),
        (
            MINIMAL + "dimensions: [{name: all, from: properties.x}]\n",
            "line 4: dimensions\\[0\\].name: 'all' stands for something else",
        ),
        (MINIMAL + "sessions: {timeout: 30}\n", "line 4: sessions.timeout: 30 .* 30m, 24h, 7d"),
        (
            MINIMAL + "sessions:\n  scope: persons\n",
            "line 5: sessions.scope: .*mean 'person'",
        ),
        (MINIMAL + "identity: {hub_limit: 0}\n", "line 4: identity.hub_limit: must be 1 or more"),
        (MINIMAL + "identity: {hub_limit: '5'}\n", "identity.hub_limit: must be a whole number"),
        (MINIMAL + "identity: 5\n", "line 4: identity: must be a mapping"),
        (MINIMAL + "key_events: sign_up\n", "line 4: key_events: must be a list"),
        (MINIMAL + "internal_users: [5]\n", r"line 4: internal_users\[0\]: must be a text"),
        (
            MINIMAL + "company: other\n",
            r"line 4: company: .* second time \(first in line 1",
        ),
        (MINIMAL + "schedules: {hourly: hourly}\n", "line 4: schedules.hourly: .*five cron fields"),
        (
            MINIMAL + "publish: {max_bytes: lots}\n",
            "line 4: publish.max_bytes: 'lots' is not",
        ),
        (MINIMAL + "storage: {memory_limit: 2}\n", "line 4: storage.memory_limit: must be a text"),
        (MINIMAL + "storage: {memory_limit: much}\n", "line 4: storage.memory_limit: .* 2GB"),
        (MINIMAL + "exchange_rates: ../rates.csv\n", "line 4: exchange_rates: leaves the home"),
        (MINIMAL + "revenue: {source: wen}\n", "line 4: revenue.source: .*Did you mean 'web'"),
        (MINIMAL + "revenue: {source: [web, shop]}\n", "line 4: revenue.source: must be a text"),
        ("sources: [" + SOURCE + "]\n", "line 1: company: is required. Write the company's name"),
        ("company: acme\n", "line 1: sources: is required"),
        ("company: acme\nsources: []\n", "line 2: sources: needs at least 1"),
        ("company: [a\n", "line 2: this is not YAML"),
        ("company: acme\x07\n", "line 1: this is not YAML"),
        ("- a\n- b\n", "line 1: must be a mapping"),
        ("a: &x [*x]\n", "line 1: a.*refers to itself"),
    ],
    ids=lambda value: value[-40:].strip() if "line" not in value else "",
)
def test_a_wrong_value_is_reported_at_its_line(text: str, expected: str) -> None:
    assert any(re.search(expected, line) for line in fault_lines(text)), fault_lines(text)


def with_source(extra: str) -> str:
    return f"company: acme\nsources:\n  - {SOURCE[:-1]}, {extra}}}\n"


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("kind: kafka", r"sources\[0\].kind: .*'kafka' are not supported yet.*kind: landing"),
        ("kind: ladning", r"sources\[0\].kind: .*Did you mean 'landing'"),
        ("format: segmnet", r"sources\[0\].format: .*Did you mean 'segment'"),
        ("dedupe_gruop: a", r"sources\[0\].dedupe_gruop: .*Did you mean 'dedupe_group'"),
        ("consent_map: {analitics: a.b}", r"consent_map.analitics: .*Did you mean 'analytics'"),
        ("live: 1", r"sources\[0\].live: must be true or false"),
        ("live: 'yes'", r"sources\[0\].live: must be true or false"),
        ("earliest: soon", r"sources\[0\].earliest: 'soon' is not a date"),
        ("occurred_from: 2026-02-01, occurred_until: 2026-02-01", "occurred_until: is not after"),
    ],
)
def test_a_wrong_key_of_a_source_is_reported(extra: str, expected: str) -> None:
    line = only_fault(with_source(extra))
    assert re.search("line 3: .*" + expected, line), line


def test_a_source_without_lawful_basis_gets_no_default() -> None:
    text = MINIMAL.replace(", lawful_basis: consent", "")
    assert "line 3: sources[0].lawful_basis: is required. No default" in only_fault(text)


@pytest.mark.parametrize("path", ["../other", "landing/../../x", ".."])
def test_a_source_may_not_leave_the_home(path: str) -> None:
    assert "sources[0].path: leaves the home" in only_fault(MINIMAL.replace("landing/web", path))


@pytest.mark.parametrize("path", ["/srv/landing", "s3://bucket/landing", "a/../landing"])
def test_a_source_may_lie_at_an_absolute_path_or_an_address(path: str, home: Home) -> None:
    location = parse(MINIMAL.replace("landing/web", path)).source("web").location(home)
    assert location == (path if not path.startswith("a/") else f"{home.root}/{path}")


def test_two_sources_need_two_names_and_their_own_files() -> None:
    lines = fault_lines(MINIMAL + f"  - {SOURCE}\n")
    assert len(lines) == 2
    assert "line 4: sources[1].name: 'web' is used twice" in lines[0]
    assert "sources[1].path: reads the same files as source 'web'" in lines[1]
    nested = MINIMAL + "  - " + SOURCE.replace("web,", "app,", 1).replace("landing/web", "landing")
    assert "sources[1].path: reads the same files" in only_fault(nested)


def test_all_faults_are_reported_together_in_the_order_of_lines() -> None:
    lines = fault_lines("compani: a\ncurrency: eu\ntime_zone: X\nsources:\n  - {name: Web}\n")
    numbers = [int(re.findall(r"line (\d+)", line)[0]) for line in lines]
    assert numbers == sorted(numbers)
    assert len(lines) == 8


@pytest.mark.parametrize("key", ["webhook", "heartbeat"])
@pytest.mark.parametrize(
    "secret", ["https://hooks.example/T0/s3cret", "env:s3cret-key!", "s3cret", 5]
)
def test_a_literal_secret_is_refused_and_never_shown(key: str, secret: object) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(MINIMAL + f"alerts: {{{key}: {json.dumps(secret)}}}\n")
    error: BaseException | None = caught.value
    assert f"line 4: alerts.{key}: a secret must not stand in this file" in str(error)
    while error is not None:
        assert "s3cret" not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__


def test_a_secret_comes_from_the_environment_before_the_env_file(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = parse(MINIMAL + "alerts: {webhook: env:HOOK}\n").alerts.webhook
    assert reference == SecretRef("env", "HOOK")
    assert reference is not None
    home.env.write_text("# a comment\nexport HOOK='from-file'\n")
    home.env.chmod(0o600)
    assert reference.resolve(home) == "from-file"
    monkeypatch.setenv("HOOK", "from-env")
    assert reference.resolve(home) == "from-env"


def test_a_secret_in_a_file_needs_a_private_file(home: Home) -> None:
    reference = SecretRef("file", "hook.txt")
    with pytest.raises(UserError, match="chmod 600"):
        reference.resolve(home)
    path = home.root / "hook.txt"
    path.write_text("s3cret\n")
    path.chmod(0o644)
    with pytest.raises(UserError, match="open to other users") as caught:
        reference.resolve(home)
    assert "s3cret" not in str(caught.value)
    path.chmod(0o600)
    assert reference.resolve(home) == "s3cret"


def test_an_env_file_open_to_others_is_refused(home: Home) -> None:
    home.env.write_text("HOOK=x\n")
    home.env.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        SecretRef("env", "HOOK").resolve(home)


def test_a_secret_that_is_not_set_says_where_to_set_it(home: Home) -> None:
    with pytest.raises(UserError, match=r"HOOK in the environment or in .*\.env"):
        SecretRef("env", "HOOK").resolve(home)


def test_yaml_does_not_guess() -> None:
    text = MINIMAL + FUNNEL.replace("properties.plan: pro", "country: NO, properties.t: 12:30")
    where = parse(text).funnels[0].steps[1].where
    assert where == {"country": "NO", "properties.t": "12:30"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("5.0", 5.0),
        ("true", True),
        ("null", None),
        ("'5'", "5"),
        ("2026-01-01", "2026-01-01"),
    ],
)
def test_a_filter_keeps_the_type_of_what_it_compares_with(written: str, value: object) -> None:
    text = MINIMAL + FUNNEL.replace(": pro", f": {written}")
    found = parse(text).funnels[0].steps[1].where["properties.plan"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("window: 7d", "", "window: is required. .*7d"),
        ("[{event: sign_up}, ", "[", "steps: needs at least 2"),
        ("window: 7d", "window: 7d\n    mode: orderd", "mode: .*Did you mean 'ordered'"),
        (": pro", ": [[pro]]", r"steps\[1\].where.properties.plan: must be a single value"),
        (": pro", ": []", r"steps\[1\].where.properties.plan: needs between 1 and 100 values"),
        ("window: 7d", "window: 0d", "window: '0d' is not longer than nothing"),
        ("window: 7d", "window: -7d", "window: '-7d' is not a duration"),
        ("window: 7d", "window: 600w", "window: is longer than ten years"),
        ("[{event: sign_up}, ", "[" + "{event: sign_up}, " * 10, "steps: has more than 10"),
        (
            "window: 7d",
            "window: 7d\n    top_breakdowns: 3000",
            "top_breakdowns: must be 100 or less",
        ),
        (
            "window: 7d",
            "window: 7d\n    breakdowns: [surface, surface]",
            r"breakdowns\[1\]: 'surface' is named twice",
        ),
        ("properties.plan", "plam", r"steps\[1\].where.plam: 'plam' is not a field of events"),
        ("properties.plan", "contry", r"steps\[1\].where.contry: .*Did you mean 'country'"),
        ("properties.plan", '"properties.a\'b"', ".*is not a field of events. .*without quotes"),
        (
            "window: 7d",
            "window: 7d\n    breakdowns: [user_id]",
            r"breakdowns\[0\]: 'user_id' is not",
        ),
        (
            "window: 7d",
            "window: 7d\n    breakdowns: [surface, country, source, channel]",
            "breakdowns: has more than 3",
        ),
        (
            "window: 7d",
            "window: 7d\n    exclusions: [{event: x, after: 1, before: 3}]",
            r"exclusions\[0\].before: there is no step 3. The funnel has 2 steps",
        ),
        (
            "window: 7d",
            "window: 7d\n    exclusions: [{event: x, after: 2, before: 1}]",
            r"exclusions\[0\].before: must be a later step",
        ),
        (
            "window: 7d",
            "window: 7d\n    exclusions: [{event: x, after: 1, before: 1}]",
            r"exclusions\[0\].before: must be a later step",
        ),
        (
            "{properties.plan: pro}}]",
            "{properties.plan: pro}}, {event: paid}]\n"
            "    exclusions: [{event: order, after: 1, before: 3}]",
            r"exclusions\[0\]: 'order' is what step 2 .* Every entry would be void",
        ),
    ],
)
def test_a_wrong_funnel_is_reported(old: str, new: str, expected: str) -> None:
    line = only_fault(MINIMAL + FUNNEL.replace(old, new))
    assert re.search(r"funnels\[0\]\." + expected, line), line


@pytest.mark.parametrize(
    "exclusion",
    [
        "{event: order, where: {properties.plan: free}, after: 1, before: 3}",
        "{event: order, after: 2, before: 3}",
        "{event: sign_up, after: 1, before: 3}",
    ],
)
def test_an_exclusion_may_name_the_event_of_a_step_it_does_not_cover(exclusion: str) -> None:
    steps = FUNNEL.replace("pro}}]", f"pro}}}}, {{event: paid}}]\n    exclusions: [{exclusion}]")
    assert parse(MINIMAL + steps).funnels[0].exclusions
    unordered = steps.replace(exclusion, "{event: order, after: 1, before: 3}") + "    mode: any\n"
    assert parse(MINIMAL + unordered).funnels[0].exclusions


def test_a_filter_may_name_several_values() -> None:
    config = parse(MINIMAL + FUNNEL.replace(": pro", ": [pro, 5, null]"))
    assert config.funnels[0].steps[1].where["properties.plan"] == ("pro", 5, None)
    (funnel,) = dbt_vars(config)["tl_funnels"]
    assert funnel["steps"][1]["where"] == {"properties.plan": ["pro", 5, None]}


def test_funnels_need_their_own_names() -> None:
    text = MINIMAL + FUNNEL + FUNNEL.removeprefix("funnels:\n")
    assert "funnels[1].name: 'activation' is used twice" in only_fault(text)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{name: wish}", r"\[0\].event: is required"),
        ("{name: wish, event: a, evnt: b}", r"\[0\].evnt: .*event"),
        ("{name: Wish, event: a}", r"\[0\].name: .*small letters"),
        ("{name: wish, event: a, where: {contry: DE}}", r"\[0\].where.contry: .*'country'"),
        (
            "{name: wish, event: a, eligible: {event: b, where: {plam: pro}}}",
            r"\[0\].eligible.where.plam: 'plam' is not a field of events",
        ),
        (
            "{name: wish, event: a, eligible: {event: a}}",
            r"\[0\].eligible: is the use itself",
        ),
        (
            "{name: wish, event: a}, {name: wish, event: b}",
            r"\[1\].name: 'wish' is used twice",
        ),
    ],
)
def test_a_wrong_feature_is_reported(written: str, expected: str) -> None:
    line = only_fault(MINIMAL + f"features: [{written}]\n")
    assert re.search("features" + expected, line), line


def test_the_version_of_a_funnel_follows_its_definition_and_not_its_name() -> None:
    base = parse(MINIMAL + FUNNEL).funnels[0]
    assert re.fullmatch("[0-9a-f]{8}", base.version)
    renamed = parse(MINIMAL + FUNNEL.replace("activation", "signup")).funnels[0]
    rewritten = parse(MINIMAL + FUNNEL.replace("7d", "168h")).funnels[0]
    changed = parse(MINIMAL + FUNNEL.replace("7d", "8d")).funnels[0]
    assert renamed.version == rewritten.version == base.version
    assert changed.version != base.version


def test_another_source_of_a_dimension_is_another_version_of_the_funnels_that_name_it() -> None:
    cut = FUNNEL + "    breakdowns: [tier]\ndimensions: [{name: tier, from: properties.plan}]\n"
    versions = {
        dbt_vars(parse(MINIMAL + text))["tl_funnels"][0]["version"]
        for text in (cut, cut.replace("from: properties.plan", "from: properties.tier"))
    }
    assert len(versions) == 2
    other = FUNNEL + "dimensions: [{name: tier, from: properties.tier}]\n"
    assert dbt_vars(parse(MINIMAL + other))["tl_funnels"][0]["version"] == (
        parse(MINIMAL + FUNNEL).funnels[0].version
    )


def test_the_fields_a_funnel_may_name_are_those_of_the_dbt_macro() -> None:
    macro = Path(__file__).parents[2] / "dbt_project" / "macros" / "funnels.sql"
    body = macro.read_text().partition("macro funnel_fields()")[2].partition("endmacro")[0]
    assert tuple(re.findall(r"'(\w+)'", body)) == FUNNEL_FIELDS


@given(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=4000)))
def test_a_duration_is_read_as_it_is_written(span: timedelta) -> None:
    whole = timedelta(seconds=int(span.total_seconds()))
    assert parse_duration(format_duration(whole)) == whole


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("1h30m", 5400), ("24h", 86400), ("7d", 604800), ("2w", 1209600)],
)
def test_durations_take_common_units(written: str, seconds: int) -> None:
    assert parse_duration(written).total_seconds() == seconds


def test_moments_are_utc() -> None:
    source = parse(with_source("earliest: '2026-01-01T01:00:00+01:00', occurred_from: 2026-02-01"))
    assert source.sources[0].earliest == datetime(2026, 1, 1, tzinfo=UTC)
    assert source.sources[0].occurred_from == datetime(2026, 2, 1, tzinfo=UTC)


def test_sizes_take_units() -> None:
    assert parse(MINIMAL + "limits: {line_bytes: 2 MiB}\n").limits.line_bytes == 2 * 2**20
    assert parse(MINIMAL + "publish: {max_bytes: 50GB}\n").publish.max_bytes == 50 * 10**9


def test_dbt_vars_are_plain_json_and_complete() -> None:
    text = MINIMAL + FUNNEL + "    exclusions: [{event: x, after: 1, before: 2}]\n"
    text += "revenue: {source: web}\nsessions: {max_length: 12h}\nsign_up_event: registered\n"
    text += "features: [{name: wish, event: a}, "
    text += "{name: pro, event: b, where: {country: DE}, eligible: {event: sign_up}}]\n"
    variables = dbt_vars(parse(text))
    assert json.loads(json.dumps(variables)) == variables
    assert variables == {
        "tl_company": "acme",
        "tl_time_zone": "UTC",
        "tl_currency": "EUR",
        "tl_sessions": {
            "timeout_seconds": 1800,
            "scope": "person",
            "max_length_seconds": 43200,
            "heartbeat_event": None,
        },
        "tl_identity": {
            "handover_gap_seconds": 1800,
            "hub_limit": 50,
            "kiosk_limit": 10,
            "largest_share": 0.05,
            "nobody": [],
        },
        "tl_sources": [
            {
                "name": "web",
                "surface": "web",
                "trust": "public",
                "lawful_basis": "consent",
                "live": True,
                "occurred_from": None,
                "occurred_until": None,
                "dedupe_group": "web",
            }
        ],
        "tl_funnels": [
            {
                "name": "activation",
                "version": variables["tl_funnels"][0]["version"],
                "window_seconds": 604800,
                "mode": "ordered",
                "steps": [
                    {"event": "sign_up", "where": {}},
                    {"event": "order", "where": {"properties.plan": "pro"}},
                ],
                "exclusions": [{"event": "x", "where": {}, "after": 1, "before": 2}],
                "breakdowns": [],
                "top_breakdowns": 20,
            }
        ],
        "tl_features": [
            {"name": "wish", "event": "a", "where": {}, "eligible": None},
            {
                "name": "pro",
                "event": "b",
                "where": {"country": "DE"},
                "eligible": {"event": "sign_up", "where": {}},
            },
        ],
        "tl_key_events": [],
        "tl_sign_up_event": "registered",
        "tl_internal_users": [],
        "tl_revenue_sources": ["web"],
        "tl_dimensions": [],
    }


def test_the_editor_schema_in_the_repository_is_current() -> None:
    assert json.loads(SCHEMA_FILE.read_text()) == json_schema(), (
        "Write it again: python -c 'from governance.config import *; write_json_schema()'"
    )


def test_the_editor_schema_accepts_a_configuration_and_refuses_a_typo() -> None:
    import jsonschema_rs
    import yaml

    schema = jsonschema_rs.Draft202012Validator(json_schema())
    good = yaml.safe_load(MINIMAL + FUNNEL + "alerts: {webhook: env:HOOK}\n")
    assert schema.is_valid(good)
    assert not schema.is_valid({**good, "timezone": "UTC"})


def test_the_check_of_a_good_home_finds_nothing(home: Home) -> None:
    home.config.write_text(MINIMAL)
    (home.landing / "web").mkdir(parents=True)
    assert check_config(home) == []


def test_the_check_warns_of_events_without_contract_and_missing_folders(home: Home) -> None:
    features = "features: [{name: wish, event: wished, eligible: {event: sign_up}}]\n"
    home.config.write_text(MINIMAL + FUNNEL + features + "exchange_rates: rates.csv\n")
    home.contracts.mkdir()
    contract = {"title": "sign_up", "x-version": "1", "x-owner": "a"}
    (home.contracts / "sign_up.json").write_text(json.dumps(contract))
    found = [(finding.level, finding.what) for finding in check_config(home)]
    assert (
        "warning",
        "funnel 'activation' names the event 'order', which has no contract.",
    ) in found
    assert (
        "warning",
        "feature 'wish' names the event 'wished', which has no contract.",
    ) in found
    assert (
        "warning",
        f"The folder of source 'web' does not exist: {home.root}/landing/web",
    ) in found
    assert ("error", f"exchange_rates does not exist: {home.root}/rates.csv") in found
    assert len(found) == 4


def test_the_check_reports_configuration_and_contracts_together(home: Home) -> None:
    home.config.write_text(MINIMAL + "timezone: UTC\ncurrenci: EUR\n")
    home.contracts.mkdir()
    (home.contracts / "bad.json").write_text("{")
    assert [finding.level for finding in check_config(home)] == ["error"] * 3


def test_the_check_warns_when_every_event_would_be_stripped(home: Home) -> None:
    home.config.write_text(with_source("format: segment"))
    (home.landing / "web").mkdir(parents=True)
    (finding,) = check_config(home)
    assert finding.level == "warning"
    assert "stripped" in finding.what


@pytest.mark.parametrize(
    "address",
    ["sftp://anna:s3cret@host/dir", "sftp://s3cret@host", "simplecache::ftp://a:s3cret@host/d"],
)
@pytest.mark.parametrize("key", ["path", "exchange_rates"])
def test_an_address_with_a_password_is_refused_and_never_shown(address: str, key: str) -> None:
    text = MINIMAL.replace("landing/web", f'"{address}"')
    line = only_fault(text if key == "path" else f"{MINIMAL}exchange_rates: {address}\n")
    assert f"{key}: an address must not hold a user or a password." in line
    assert "s3cret" not in line


def test_an_at_sign_in_a_folder_of_an_address_is_no_user() -> None:
    path = "s3://bucket/a@b"
    assert parse(MINIMAL.replace("landing/web", path)).source("web").path == path


def test_what_is_listed_as_nobody_is_told_to_the_models() -> None:
    told = dbt_vars(parse(MINIMAL + "identity: {nobody: [Factory-id, aaaa]}\n"))
    assert told["tl_identity"]["nobody"] == ["Factory-id", "aaaa"]
    line = only_fault(MINIMAL + "identity: {nobody: [5]}\n")
    assert "line 4: identity.nobody[0]: must be a text" in line


@pytest.mark.parametrize("user", ["anna@example.com", "mailto:anna@example.com", "+4930901820"])
def test_an_internal_user_is_an_id_and_no_address(user: str) -> None:
    line = only_fault(f'{MINIMAL}internal_users: [u_1, "{user}"]\n')
    assert "line 4: internal_users[1]: must not be an e-mail address or a phone number" in line
    assert "anna" not in line
    assert "4930901820" not in line


def test_the_depth_is_at_most_what_the_parser_can_read() -> None:
    assert parse(f"{MINIMAL}limits: {{depth: 200}}\n").limits.depth == 200
    assert "limits.depth: must be 200 or less" in only_fault(f"{MINIMAL}limits: {{depth: 201}}\n")


@pytest.mark.parametrize("path", ["{home}/landing/web", "landing/x/../web", "linked"])
def test_two_spellings_of_one_folder_are_the_same_files(path: str, tmp_path: Path) -> None:
    (tmp_path / "landing" / "web").mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "landing" / "web")
    other = SOURCE.replace("web,", "app,", 1)
    other = other.replace("landing/web", path.format(home=tmp_path))
    with pytest.raises(ConfigError) as caught:
        parse_config(f"{MINIMAL}  - {other}\n", tmp_path / "throughline.yml")
    assert "sources[1].path: reads the same files as source 'web'" in caught.value.what
