import pytest

from governance.classes import CONTRACT_CLASSES, FIELD_CLASSES, is_published


def test_the_analyst_sees_no_identifier_nothing_sensitive_and_no_free_text() -> None:
    withheld = {c for c in FIELD_CLASSES if not is_published(c, "analyst")}
    assert withheld == {"direct_identifier", "sensitive", "free_text"}


@pytest.mark.parametrize("missing", [None, "", "Public", "secret"])
def test_a_field_without_a_known_class_is_never_published(missing: str | None) -> None:
    assert not is_published(missing, "analyst")


def test_a_contract_cannot_leave_a_property_unreviewed() -> None:
    assert set(FIELD_CLASSES) - set(CONTRACT_CLASSES) == {"unreviewed"}
