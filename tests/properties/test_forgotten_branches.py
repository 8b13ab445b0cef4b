"""What an increment looks for is needed, branch by branch.

``touched()`` of a model unites the keys of all that can change its rows. While the lives of
test_increments.py and histories of identity are built load by load, it is kept for every branch
which keys would be stale had the model never looked there: they changed, no other branch named
them, and nothing has touched them since. A branch that leaves none stale in the end could be
forgotten unnoticed.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.properties import test_identity_histories
from tests.properties.lives import variables
from tests.properties.stepwise import Plan, Step, run
from tests.properties.test_identity_histories import copies
from tests.properties.test_increments import Size, steps_of
from tests.properties.touched import Model, models_of
from tests.properties.warehouse import PROJECT, make_home
from tests.properties.worlds import raw_overrides, raw_rows

UNNOTICED = Path(__file__).with_name("unnoticed_branches.json")
COMPARED = "{%- set computed, changed = increment_counts(['fresh', 'differences']) -%}"
FORGETTING = """
{%- macro keep_what_would_be_stale(key, read, recomputed) -%}
{%- set branches = [] -%}
@@
{%- set keys, numbered = key | join(', '), [] -%}
{%- for _ in key -%} {%- do numbered.append('key_' ~ loop.index) -%} {%- endfor -%}
{%- set since = config.get('since') -%}
{%- set keys = keys ~ ', ' ~ since if since else keys -%}
{%- do numbered.append('since') if since -%}
{%- for branch in branches -%}
    {%- set text = namespace(sql=branch) -%}
    {%- for input, version in read.items() -%}
        {%- set text.sql = text.sql | replace('__since_' ~ input ~ '__', version) -%}
    {%- endfor -%}
    {%- set stale = 'increments.stale_' ~ model.name ~ '_' ~ loop.index0 -%}
    {%- call statement('stale') -%}
        create table if not exists {{ stale }} as select {{ keys }} from differences limit 0;
        {% if recomputed %}
            delete from {{ stale }};
        {% else %}
            create or replace temp table others as
            select distinct * from (
                {{ text.sql }}
            ) as keys({{ numbered | join(', ') }});
            create or replace temp table left_stale as
            select {{ keys }} from {{ stale }} union select {{ keys }} from differences;
            create or replace table {{ stale }} as
            select * from left_stale
            anti join others on {{ same_key('left_stale', 'others', key, numbered=true) }}
            {% if since %} and left_stale.{{ since }} >= others.since {% endif %};
        {% endif %}
    {%- endcall -%}
{%- endfor -%}
{%- endmacro -%}
"""


def watching_project(folder: Path, models: list[Model]) -> Path:
    """A copy of the project that keeps what would be stale."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("target", "logs"))
    told = []
    for model in models:
        told.append(f"{{%- if model.name == '{model.name}' -%}}")
        for _, without in model.branches():
            text = f"{{% raw %}}{without}{{% endraw %}}"
            told.append(f"{{%- set one -%}}{text}{{%- endset -%}}{{%- do branches.append(one) -%}}")
        told.append("{%- endif -%}")
    (folder / "macros" / "forgetting.sql").write_text(FORGETTING.replace("@@", "\n".join(told)))
    materialization = folder / "macros" / "materializations" / "by_key.sql"
    text = materialization.read_text()
    assert text.count(COMPARED) == 1
    watched = "{%- do keep_what_would_be_stale(key, record.read, reason) -%}" + COMPARED
    materialization.write_text(text.replace(COMPARED, watched))
    return folder


def lives(number: int, scope: str) -> tuple[dict, list[Step]]:
    """The configuration, and what arrives."""
    return variables(scope, 7200), steps_of(Size(number, 30, 20))


def histories() -> tuple[dict, list[Step]]:
    """Of identity alone: more overrides, hubs and aliases than lives have."""
    _, arrivals = copies(test_identity_histories.Size(30, 10, moves=30, steps=8, twins=0))
    steps = [Step([]) for _ in range(8)]
    said = []
    for arrival in sorted(arrivals, key=lambda each: each.step):
        if isinstance(arrival.part, dict):
            steps[arrival.step].events += raw_rows([arrival.part])
        else:
            said.append(arrival)
    for number, step in enumerate(steps):
        known = [each.part for each in said if each.step <= number]
        step.overrides += raw_overrides(known)
    return variables(), steps


def needed(folder: Path, told: dict, steps: list[Step]) -> tuple[set[str], set[str]]:
    """All branches of all models, and those without which a key would be stale in the end."""
    run(folder / "compiled", Plan(make_home(folder / "empty").root, told, [Step([])]))
    models = models_of(folder / "compiled" / "target")
    assert len(models) > 40
    home = make_home(folder / "home")
    project = watching_project(folder / "dbt_project", models)
    run(folder / "stepwise", Plan(home.root, told, steps, project))
    branches, found = set(), set()
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        tables = con.execute(
            "select table_name from duckdb_tables() where starts_with(table_name, 'stale_')"
        )
        kept = {name for (name,) in tables.fetchall()}
        for model in models:
            for number, (branch, _) in enumerate(model.branches()):
                table = f"stale_{model.name}_{number}"
                branches.add(branch)
                if table in kept and con.execute(f"from increments.{table} limit 1").fetchall():
                    found.add(branch)
    return branches, found


@pytest.mark.long
def test_every_branch_of_what_is_touched_is_needed(tmp_path: Path) -> None:
    worlds = {
        "identity": histories(),
        "person": lives(150, "person"),
        "client": lives(50, "client"),
    }
    branches, found = set(), set()
    for name, (told, steps) in worlds.items():
        (tmp_path / name).mkdir()
        all_of_them, needed_here = needed(tmp_path / name, told, steps)
        print(f"{name}: {len(needed_here)} of {len(all_of_them)}")  # noqa: T201
        branches |= all_of_them
        found |= needed_here
    # branch -> {"is": covered (by another branch, in these worlds) | missed (by all lives), "why"}
    explained = json.loads(UNNOTICED.read_text())
    assert not explained.keys() - branches, "an explanation of what is no branch any more"
    assert not explained.keys() & found, "an explanation of what is noticed"
    print(f"{len(found)} noticed, {len(branches - found)} not")  # noqa: T201
    unexplained = sorted(branches - found - explained.keys())
    assert not unexplained, "\n".join(unexplained)
