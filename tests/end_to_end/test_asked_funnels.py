"""The published copy is enough: asked of it, a funnel has the entries of the declared one."""

from __future__ import annotations

import pytest

from governance.config import load_config
from governance.home import Home
from orchestration.funnel import Question, ask, declared, open_published


@pytest.mark.parametrize("name", ["activation", "purchase", "discovery"])
def test_a_funnel_asked_of_the_published_copy_equals_the_declared_one(
    undisturbed: Home, name: str
) -> None:
    config = load_config(undisturbed)
    with open_published(undisturbed, config) as data:
        answer = ask(data, Question(declared(config, name)), config)
        asked, published = (
            data.connection.execute(
                f"select * from {table} where funnel = ? order by all", [name]
            ).fetchall()
            for table in ("temp.main.fct_funnel_entries", "marts.fct_funnel_entries")
        )
    assert asked == published
    assert answer.entries == len(published) > 0
