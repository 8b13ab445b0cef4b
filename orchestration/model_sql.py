"""The SQL of a dbt model as dbt compiles it, in milliseconds and without a warehouse.

Starting dbt and parsing its project for other variables takes seconds. A question asked on the
command line renders the same files with the same macros instead, so that it can not mean something
else than the models; ``tests/dbt_project/marts/test_funnel_question.py`` compares the text with
dbt's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from governance.errors import ThroughlineError

PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"

_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\b.*?\{%-?\s*endmacro\s*-?%\}", re.DOTALL)
# of dbt's build itself, in blocks that plain Jinja does not know
_NOT_FOR_MODELS = ("materializations", "tests")


@dataclass(frozen=True, slots=True)
class Relation:
    """What ``ref()`` gives: ``text`` in SQL, ``identifier`` in the names of logs."""

    identifier: str
    text: str

    def __str__(self) -> str:
        return self.text


class ModelSql:
    """The project under given variables.

    Args:
        variables: the ``tl_*`` ones; those left out have the project's defaults.
        relation: how a model of that name is written in SQL; the name itself unless said.
    """

    def __init__(self, variables: Mapping[str, Any], relation: Callable[[str], str] = str) -> None:
        defaults = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
        self._variables = {**defaults, **variables}
        self._relation = relation
        self._jinja = SandboxedEnvironment(
            extensions=["jinja2.ext.do"], undefined=StrictUndefined, autoescape=False
        )
        self._models = {path.stem: path for path in (PROJECT / "models").rglob("*.sql")}
        self._context: dict[str, Any] = {
            "var": self._variables.__getitem__,
            "ref": self._ref,
            "config": lambda **_: "",
            "return": _return,
            "exceptions": _Exceptions(),
            # dbt leaves the parts of an increment out of unit tests, and so do we
            "model": {"resource_type": "unit_test"},
        }
        for path in sorted((PROJECT / "macros").rglob("*.sql")):
            if path.parent.name not in _NOT_FOR_MODELS:
                for found in _MACRO.finditer(path.read_text("utf-8")):
                    self._context[found[1]] = self._macro(found[1], found[0])

    def of(self, model: str) -> str:
        """The query of a model.

        Raises:
            KeyError: there is no model of that name.
        """
        context = {**self._context, "this": self._ref(model)}
        return self._template(self._models[model].read_text("utf-8")).render(context).strip()

    def rendered(self, text: str) -> str:
        """A template of our own, with all the macros at hand."""
        return self._template(text).render(self._context)

    def _ref(self, name: str) -> Relation:
        return Relation(name, self._relation(name))

    def _template(self, text: str) -> Template:
        return self._jinja.from_string(text)

    def _macro(self, name: str, text: str) -> Callable[..., Any]:
        """The macro as dbt calls it: what ``return()`` was given, else its text."""
        template = self._template(text)

        def call(*given: Any, **named: Any) -> Any:
            macro = getattr(template.make_module(self._context), name)
            try:
                return macro(*given, **named)
            except _ReturnedError as returned:
                return returned.value

        return call


class _ReturnedError(Exception):
    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


def _return(value: object) -> NoReturn:
    raise _ReturnedError(value)


class _Exceptions:
    def raise_compiler_error(self, message: str) -> NoReturn:
        raise ThroughlineError("A model can not be written as SQL.", why=message)
