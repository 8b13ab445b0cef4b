"""docs/sources.md names every key there is, and its examples can be used."""

import re

import pytest
import yaml

from governance.config import FieldSpec, Mapping, Source, Table
from governance.config.mapping import CampaignMapping, ConsentMapping, Csv
from tests.conftest import ROOT

REFERENCE = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "model", [Source, Table, Mapping, FieldSpec, ConsentMapping, CampaignMapping, Csv]
)
def test_every_key_is_explained(model):
    keys = [field.alias or name for name, field in model.model_fields.items()]
    prose = re.sub(r"^```.*?^```$", "", REFERENCE, flags=re.MULTILINE | re.DOTALL)
    code = " ".join(re.findall(r"`([^`]+)`", prose))
    missing = [key for key in keys if not re.search(rf"\b{key}\b", code)]
    assert not missing


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_can_be_used(number):
    blocks = re.findall(r"^```yaml\n(.*?)^```$", REFERENCE, re.MULTILINE | re.DOTALL)
    example = yaml.safe_load(blocks[number])
    if "mapping" in example:
        Mapping.model_validate(example["mapping"])
    for table in example.get("tables", ()):
        Table.model_validate(table)
    assert len(blocks) == 2
