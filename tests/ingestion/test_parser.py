import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.parser import dump, needs_inspection, parse
from ingestion.refusals import Reason, Refusal

CASES = {
    b"": Reason.MALFORMED_JSON,
    b"{": Reason.MALFORMED_JSON,
    b'{"a":1,}': Reason.MALFORMED_JSON,
    b"{} {}": Reason.MALFORMED_JSON,
    b"\xef\xbb\xbf{}": Reason.MALFORMED_JSON,
    b'{"a":1,"a":1}': Reason.DUPLICATE_KEY,
    b'{"a":1,"\\u0061":2}': Reason.DUPLICATE_KEY,
    b'{"a":{"b":[{"c":1,"c":2}]}}': Reason.DUPLICATE_KEY,
    b'{"a":NaN}': Reason.NOT_FINITE,
    b'{"a":Infinity}': Reason.NOT_FINITE,
    b'{"a":-Infinity}': Reason.NOT_FINITE,
    b'{"a":1e400}': Reason.NOT_FINITE,
    b'{"a":[-1E+999]}': Reason.NOT_FINITE,
    b'{"a":1e99999999999999999999}': Reason.NOT_FINITE,
    b'{"a":' + b"9" * 310 + b"}": Reason.NOT_FINITE,
    b'{"a":"\xff"}': Reason.BAD_UNICODE,
    b'{"a":"\\ud800"}': Reason.BAD_UNICODE,
    b'{"a":"\\ude00x"}': Reason.BAD_UNICODE,
    b'{"a":' * 33 + b"1" + b"}" * 33: Reason.TOO_DEEP,
    b"[" * 300 + b"]" * 300: Reason.TOO_DEEP,
    b"[]": Reason.NOT_AN_OBJECT,
    b'"{}"': Reason.NOT_AN_OBJECT,
    b"null": Reason.NOT_AN_OBJECT,
}


@pytest.mark.parametrize(("line", "reason"), CASES.items(), ids=lambda x: str(x)[:30])
def test_a_line_that_is_not_strict_json_is_refused_with_its_reason(line, reason):
    with pytest.raises(Refusal) as caught:
        parse(line, depth=32)
    assert caught.value.reason is reason


@pytest.mark.parametrize(
    "line",
    [line for line, why in CASES.items() if why is Reason.NOT_FINITE or why is Reason.TOO_DEEP],
)
def test_the_quick_look_never_clears_a_line_the_full_look_refuses(line):
    with pytest.raises(Refusal):
        parse(line, depth=32, inspect=needs_inspection([line], depth=32)[0])


def test_a_line_at_the_depth_limit_is_accepted():
    assert parse(b'{"a":' * 32 + b"1" + b"}" * 32, depth=32)


def test_the_detail_of_a_refusal_never_holds_a_key_or_a_value():
    with pytest.raises(Refusal) as caught:
        parse(b'{"anna@example.com":1,"anna@example.com":2}', depth=32)
    assert "anna" not in caught.value.detail


def test_numbers_keep_the_digits_they_came_with():
    parsed = parse(
        b'{"a":12.1,"b":12.50,"c":123456789012.123456,"d":123456789012345678901}', depth=32
    )
    assert parsed["a"] == Decimal("12.1")
    assert parsed["c"] == Decimal("123456789012.123456")
    assert dump(parsed) == b'{"a":12.1,"b":12.50,"c":123456789012.123456,"d":123456789012345678901}'


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, places=3)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_what_is_written_is_read_back_the_same(value):
    assert parse(dump(value), depth=100) == value


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_parsed_or_refused_and_nothing_else(line):
    with contextlib.suppress(Refusal):
        assert isinstance(parse(line, depth=8), dict)
