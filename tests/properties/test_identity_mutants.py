"""The tests of identity notice what is wrong: mutants of its models against the same oracle.

Three mutants made by hand are what other systems do. The mechanical ones (``make test-long``)
change one thing each in the compiled SQL; those that survive are listed with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from governance.dbt_session import hmac_pads
from governance.keys import load_keys
from tests.properties import identity_oracle as oracle
from tests.properties import test_identity_and_sessions as tests
from tests.properties.mutants import Chain, Mutant, RunawayError, Tally, mutants_of
from tests.properties.warehouse import MODELS, build, make_home, write_raw
from tests.properties.worlds import (
    GAP,
    HUB_LIMIT,
    KIOSK_LIMIT,
    VARIABLES,
    random_world,
    raw_overrides,
    raw_rows,
)

WORLDS = 4000
CAUGHT = 0.9
SURVIVORS = Path(__file__).with_name("surviving_mutants.json")
MUTATED = (
    "int_event_subjects",
    "int_subjects",
    "int_subject_identifiers",
    "int_identity_evidence",
    "int_identity_never",
    "int_identity_pairs",
    "int_identity_hubs",
    "int_identity_links",
    "int_identity_component_edges",
    "int_identity_nodes",
    "int_subject_persons",
    "int_event_persons",
    "bridge_identities",
    "bridge_identity_evidence",
    "dim_devices",
)
READ = {
    "int_identity_nodes",
    "int_event_persons",
    "int_event_sessions",
    "bridge_identities",
    "bridge_identity_evidence",
    "dim_devices",
}
TESTS: tuple[Callable[[tests.Built], None], ...] = (
    tests.test_person_and_rule_of_every_event_equal_the_oracle,
    tests.test_what_became_of_every_identifier_equals_the_oracle,
    tests.test_used_and_set_aside_evidence_equals_the_oracle,
    tests.test_an_override_is_evidence_that_is_used_where_it_holds,
    tests.test_kiosks_equal_the_oracle,
    tests.test_devices_equal_the_oracle,
    tests.test_a_person_identifier_stands_for_whom_the_oracle_says,
    tests.test_a_device_stands_for_one_person_after_the_other_as_the_oracle_says,
    tests.test_sessions_equal_the_oracle,
)


@dataclass(frozen=True)
class Mutated(tests.Built):
    """A build whose tables are read inside the transaction that mutated them."""

    chain: Chain

    def rows(self, question: str) -> list[tuple]:
        return self.chain.connection.execute(question).fetchall()

    def caught_by(self, mutant: Mutant) -> str | None:
        """The first test that notices; what DuckDB says when the mutant is no query."""
        try:
            with self.chain.mutated(mutant):
                for test in TESTS:
                    try:
                        test(self)
                    except (Exception, pytest.fail.Exception):  # it cannot even be compared
                        return test.__name__
        except RunawayError as runaway:
            return f"test of what it costs: {runaway}"
        except duckdb.Error as error:
            return f"error: {error}"
        return None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Mutated:
    rng = random.Random(20260403)
    worlds = [random_world(f"w{n:05}", rng) for n in range(WORLDS)]
    records = [record for world in worlds for record in world.records]
    said = [line for world in worlds for line in world.statements]
    root = tmp_path_factory.mktemp("mutants")
    home = make_home(root / "home")
    write_raw(home, raw_rows(records), overrides=raw_overrides(said))
    wanted = [f"+{name}" for name in tests.WANTED]
    build(home, VARIABLES, *MODELS, "-s", *wanted, target=root / "target")
    answer = oracle.resolve(records, HUB_LIMIT, KIOSK_LIMIT, GAP, said)
    connection = duckdb.connect(str(home.warehouse))
    inner, outer = hmac_pads(load_keys(home).person_salt)
    connection.execute("set variable tl_ipad = $1::blob", [inner])
    connection.execute("set variable tl_opad = $1::blob", [outer])
    chain = Chain.of(connection, root / "target", READ)
    return Mutated(worlds, records, answer, home, chain)


def replaced(built: Mutated, model: str, *pairs: tuple[str, str]) -> Mutant:
    sql = built.chain.sql[model].split("/* touched:")[0]
    for old, new in pairs:
        assert sql.count(old) == 1, old
        sql = sql.replace(old, new)
    return Mutant(model, "by hand", sql)


def test_without_a_change_nothing_is_caught(built: Mutated) -> None:
    first = MUTATED[0]
    assert built.caught_by(Mutant(first, "none", built.chain.sql[first])) is None


def test_the_last_user_of_a_device_does_not_get_its_history(built: Mutated) -> None:
    found = built.caught_by(
        replaced(
            built,
            "int_event_persons",
            (
                "when 'carry'\n        then previous_person_id",
                "when 'carry'\n        then next_person_id",
            ),
        )
    )
    assert found == "test_person_and_rule_of_every_event_equal_the_oracle"


def test_a_conflict_does_not_carry_a_merge(built: Mutated) -> None:
    found = built.caught_by(
        replaced(
            built, "int_identity_nodes", ("when evidence_3.roots > 1", "when evidence_3.roots > 99")
        )
    )
    assert found is not None
    assert found.startswith("test_")


def test_hubs_are_counted_before_anything_is_set_aside(built: Mutated) -> None:
    removed = (
        " anti join intermediate.int_identity_nodes as removed"
        " on removed.rule = 'conflict' and removed.node = pairs.lower_node"
    )
    pairs = '"intermediate"."int_identity_pairs"'
    sql = built.chain.sql["int_identity_hubs"].replace(
        f"{pairs} where", f"{pairs} as pairs{removed} where"
    )
    assert removed in sql
    found = built.caught_by(Mutant("int_identity_hubs", "by hand", sql))
    assert found is not None
    assert found.startswith("test_")


@pytest.mark.long
def test_nine_of_ten_mechanical_mutants_are_caught(built: Mutated) -> None:
    """Of those that are not equivalent; a unit or data test that notices counts as well."""
    tally = Tally()
    for model in MUTATED:
        for mutant in mutants_of(model, built.chain.sql[model]):
            tally.add(mutant, built.caught_by(mutant))
    tally.has_caught(CAUGHT, SURVIVORS)
