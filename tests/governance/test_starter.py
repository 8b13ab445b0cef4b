import re
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from governance.config import check_config, json_schema, load_config, parse_config
from governance.contracts import Contracts
from governance.errors import UserError
from governance.keys import load_keys
from governance.starter import init_home, starter


def test_a_new_home_is_complete_and_without_findings(tmp_path: Path) -> None:
    home = init_home(tmp_path / "My Shop")
    assert load_config(home).company == "my_shop"
    assert check_config(home) == []
    assert len(Contracts.load(home.contracts)) == 1
    assert load_keys(home).key_id
    assert home.env.stat().st_mode & 0o777 == 0o600
    assert {".env", ".keys*/"} <= set((home.root / ".gitignore").read_text().split())


def test_a_home_is_never_overwritten(tmp_path: Path) -> None:
    home = init_home(tmp_path / "shop")
    before = {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()}
    with pytest.raises(UserError, match="is a home already"):
        init_home(home.root)
    assert {p: p.read_bytes() for p in home.root.rglob("*") if p.is_file()} == before


def test_init_that_was_interrupted_can_be_run_again(tmp_path: Path) -> None:
    root = tmp_path / "shop"
    (root / "landing" / "web").mkdir(parents=True)
    (root / ".env").write_text("HOOK=1\n")
    home = init_home(root)
    assert home.env.read_text() == "HOOK=1\n"
    assert load_config(home)


def test_every_commented_part_of_the_starter_works_when_uncommented() -> None:
    lines = starter("acme").splitlines()[1:]
    text = "\n".join(re.sub(r"^( *)# ", r"\1", line) for line in lines)
    config = parse_config(text, Path("throughline.yml"))
    assert config.funnels
    assert config.revenue
    assert config.alerts.webhook
    assert config.sources[0].consent_map
    # Editors check the same text against the schema; JSON has no dates, so they see a text.
    document = yaml.safe_load(text)
    document["sources"][0]["earliest"] = "2024-01-01"
    jsonschema_rs.Draft202012Validator(json_schema()).validate(document)
