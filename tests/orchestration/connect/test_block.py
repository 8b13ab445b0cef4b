"""A source is put below the others; every other byte of the file stays."""

import pytest
import yaml

from governance.config import parse_config
from governance.errors import UserError
from governance.starter import starter
from orchestration.connect.block import (
    Entry,
    Items,
    flow,
    replace_file,
    source_lines,
    with_source,
    without_example,
)

ENTRIES = [
    Entry("name", "shop"),
    Entry("kind", "landing"),
    Entry("surface", "backend", "a comment"),
    Entry("trust", "server"),
    Entry("lawful_basis", "contract"),
]
LINES = source_lines(ENTRIES)
ONE = "{name: web, surface: web, trust: public, lawful_basis: contract}"


def names(text, tmp_path):
    return [source.name for source in parse_config(text, tmp_path / "throughline.yml").sources]


@pytest.mark.parametrize(
    "text",
    [
        starter("acme"),
        f"company: a\nsources:\n- {ONE}\n",
        f"company: a\nsources:\n- {ONE}",
        f"company: a\nsources:\n  # first\n  - {ONE}\n    # its own\n\n# next\ncurrency: EUR\n",
        f"company: a\nsources:\n      - {ONE}\n# last\n\n\n",
        f"company: a # é\nsources:  # all\n  - {ONE}   # one\nfunnels: []\n",
    ],
    ids=["starter", "flush", "no_line_feed", "comments", "deep", "inline"],
)
def test_all_lines_stay_in_their_order(text, tmp_path):
    new = with_source(text, LINES)
    assert names(new, tmp_path) == ["web", "shop"]
    left = iter(new.splitlines())
    assert all(line in left for line in text.splitlines())


def test_comments_of_a_source_stay_with_it_and_those_of_what_follows_too(tmp_path):
    text = f"company: a\nsources:\n  - {ONE}\n    # its own\n\n# of the currency\ncurrency: EUR\n"
    lines = with_source(text, LINES).splitlines()
    assert lines.index("    # its own") < lines.index("  - name: shop")
    assert lines.index("  - name: shop") < lines.index("# of the currency")


@pytest.mark.parametrize("text", ["company: a\n", "company: a\nsources:\n", "company: a\nsources:"])
def test_the_first_source_needs_no_list(text, tmp_path):
    assert names(with_source(text, LINES), tmp_path) == ["shop"]


def test_a_list_on_one_line_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a list"):
        with_source(f"company: a\nsources: [{ONE}]\n", LINES)


def test_the_example_of_init_goes_only_while_it_is_untouched():
    text = starter("acme")
    assert "landing/web/" not in without_example(text)
    touched = text.replace("trust: public ", "trust: server ")
    assert without_example(touched) == touched


@pytest.mark.parametrize(
    "value",
    [
        "plain",
        "env:NAME",
        "no",
        "true",
        "1",
        "a: b",
        "# c",
        "{a}={b}",
        "%d.%m.%Y",
        "/srv/data",
        "Größe",
        'say "x"',
        "tab\t",
        "-",
        "~",
        "@x",
        "",
        ["a", "b:"],
        {"1": True, "x y": None, "n": 3},
    ],
)
def test_every_value_is_read_back_as_it_was(value):
    line = f"k: {flow(value)}"
    assert yaml.safe_load(line) == {"k": value}


def test_long_mappings_get_a_line_for_each_key():
    long = {"analytics": {"map": {f"answer_{n}": True for n in range(9)}}, "marketing": "m"}
    lines = source_lines([Entry("name", "x"), Entry("consent", long, "why")])
    assert yaml.safe_load("\n".join(lines)) == [{"name": "x", "consent": long}]
    assert lines[1].startswith("    consent:")
    assert "analytics" not in lines[1]


def test_tables_are_items():
    entries = [Entry("tables", Items([[Entry("table", "a")], [Entry("table", "b", "2 rows")]]))]
    assert yaml.safe_load("\n".join(source_lines(entries))) == [
        {"tables": [{"table": "a"}, {"table": "b"}]}
    ]


def test_a_file_somebody_changed_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "throughline.yml"
    path.write_text("mine\n")
    with pytest.raises(UserError, match="was changed"):
        replace_file(path, "old\n", "new\n")
    assert path.read_text() == "mine\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_keeps_its_mode(tmp_path):
    path = tmp_path / "throughline.yml"
    path.write_text("old\n")
    path.chmod(0o640)
    replace_file(path, "old\n", "new\n")
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640
