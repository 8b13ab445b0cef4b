"""From ``throughline.yml`` to a ``Config``, with every error at once and each at its line."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from governance.config.funnel_rules import funnel_rules
from governance.config.model import Config, Funnel
from governance.config.rules import broken_rules
from governance.config.source_text import Document, Fault, Path_, dotted, read_yaml
from governance.errors import UserError
from governance.home import Home

_REQUIRED = {
    "lawful_basis": "No default: choose consent, contract, legitimate_interests or not_personal.",
    "trust": "Choose public (keys anyone can read), server or signed.",
    "surface": "Choose web, mobile, backend or other.",
    "table": "Name the table, such as public.customers.",
    "as": "Say what a row is: events, persons, accounts, consents, orders or subscriptions.",
    "mapping": "Say which column is which field of an event.",
    "company": "Write the company's name.",
    "sources": "Name at least one source.",
    "window": "Write how long a person has, such as 7d.",
}
_FORMS = {
    "currency": "Write the three capital letters of ISO 4217, such as EUR.",
    "name": "Use small letters, digits and _, starting with a letter.",
    "memory_limit": "Write a number and a unit, such as 2GB.",
}
_TOO_FEW = {"steps": "One step alone leads nowhere: add the next one."}
_TOO_MANY = {"steps": "Cut it in two, or leave out steps nobody looks at."}
_MAPPING = ("must be a mapping of keys.", "")
_LIST = ("must be a list.", "Write one item a line, each after a dash.")
_PLAIN = {
    "model_type": _MAPPING,
    "dict_type": _MAPPING,
    "tuple_type": _LIST,
    "string_type": ("must be a text.", "Put quotes around it."),
    "string_too_short": ("must not be empty.", ""),
    "string_too_long": ("is too long.", ""),
    "bool_type": ("must be true or false.", ""),
    "int_type": ("must be a whole number.", ""),
}


class ConfigError(UserError):
    """``throughline.yml`` is wrong; ``faults`` lists everything that is."""

    faults: tuple[Fault, ...] = ()


def load_config(home: Home) -> Config:
    """Read and check the home's configuration.

    Raises:
        UserError: the file is missing.
        ConfigError: it is wrong; the message lists file, line, key, what and fix of every fault.
    """
    try:
        text = home.config.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            f"There is no {home.config}.",
            why="A home is configured by its throughline.yml.",
            fix=f"Make one with: throughline init {home.root}",
        ) from None
    except UnicodeDecodeError:
        raise config_error(home.config, [Fault(1, "", "the file is not UTF-8.")]) from None
    return parse_config(text, home.config)


def parse_config(text: str, path: Path) -> Config:
    """The configuration written in ``text``; ``path`` is its file, which need not exist.

    Raises:
        ConfigError: as ``load_config``.
    """
    document = read_yaml(text)
    faults = list(document.faults)
    config: Config | None = None
    if not (faults and document.value is None):
        try:
            config = Config.model_validate(document.value if document.value is not None else {})
        except ValidationError as error:
            # Never chained: pydantic's own message repeats the input, which may be a secret.
            details = error.errors(include_url=False)
            faults += [fault for fault in (_fault(detail, document) for detail in details) if fault]
    if config is not None:
        faults += broken_rules(config, document, path.parent)
    if config is None or faults:
        raise config_error(path, faults) from None
    return config


def parse_funnel(text: str, file: str, config: Config) -> Funnel:
    """One definition outside ``throughline.yml``, written as an item of its ``funnels:``.

    Args:
        text: the item alone, in a list of one, or below ``funnels:``; a name may be left out.
        file: what messages call it.
        config: whose dimensions it may name.

    Raises:
        ConfigError: as ``load_config``.
    """
    document = read_yaml(text)
    faults, funnel = list(document.faults), None
    place, given = _only_item(document.value)
    if given is None and not faults:
        faults.append(Fault(1, "", "is not one funnel.", "Write steps: and window:."))
    elif given is not None:
        try:
            funnel = Funnel.model_validate({"name": "preview", **given})
        except ValidationError as error:
            found = (
                _fault(detail, document, Funnel, place)
                for detail in error.errors(include_url=False)
            )
            faults += [fault for fault in found if fault]
    if funnel is not None:
        broken = funnel_rules(place, funnel, [dimension.name for dimension in config.dimensions])
        faults += [
            Fault(document.line(path), dotted(path), what, fix) for path, what, fix in broken
        ]
    if funnel is None or faults:
        raise config_error(
            Path(file), faults, why="A definition is checked before anything runs.", fix=""
        ) from None
    return funnel


def _only_item(value: object) -> tuple[Path_, dict[str, object] | None]:
    """Where the one funnel of a document stands, and what it says."""
    place: Path_ = ()
    if isinstance(value, dict) and set(value) == {"funnels"}:
        place, value = ("funnels",), value["funnels"]
    if isinstance(value, list) and len(value) == 1:
        place, value = (*place, 0), value[0]
    return place, value if isinstance(value, dict) else None


def config_error(
    path: Path,
    faults: list[Fault],
    *,
    why: str = "Every key of throughline.yml is checked before anything runs.",
    fix: str = "Mend the lines named above, then run: throughline config check",
) -> ConfigError:
    """One error for all faults of a file, in the order of its lines."""
    ordered = tuple(sorted(set(faults), key=lambda fault: (fault.line, fault.key, fault.what)))
    error = ConfigError(
        "\n".join(f"{path}, {fault}" for fault in ordered),
        why=why,
        fix=fix,
    )
    error.faults = ordered
    return error


def _fault(
    detail: ErrorDetails,
    document: Document,
    root: type[BaseModel] = Config,
    place: Path_ = (),
) -> Fault | None:
    """One of pydantic's errors in our words; None for an echo of another one.

    ``root``: the model that was read at ``place``.
    """
    path = _real_path((*place, *detail["loc"]), document)
    key = str(path[-1]) if path else ""
    context = detail.get("ctx", {})
    match detail["type"]:
        case "throughline":
            what, fix = context["what"], context["fix"]
        case "extra_forbidden":
            what, fix = (
                "is not a key here.",
                _did_you_mean(key, _keys_at(path[len(place) : -1], root)),
            )
        case "missing":
            what, fix = "is required.", _REQUIRED.get(key, "")
        case "literal_error":
            choices = re.findall(r"'([^']*)'", str(context["expected"]))
            what = f"{detail['input']!r} is not allowed; one of {', '.join(choices)}."
            fix = _did_you_mean(str(detail["input"]), choices, listed=True)
        case "string_pattern_mismatch":
            what = f"{detail['input']!r} is not of the right form."
            fix = _FORMS.get(key, _FORMS["name"])
        case "too_short" if _length(document, path) >= context["min_length"]:
            return None  # the items are there but faulty, and have faults of their own
        case "too_short":
            what, fix = f"needs at least {context['min_length']}.", _TOO_FEW.get(key, "")
        case "too_long":
            what, fix = f"has more than {context['max_length']}.", _TOO_MANY.get(key, "")
        case "greater_than_equal":
            what, fix = f"must be {context['ge']} or more.", ""
        case "less_than_equal":
            what, fix = f"must be {context['le']} or less.", ""
        case kind:
            what, fix = _PLAIN.get(kind, (detail["msg"] + ".", ""))
    return Fault(document.line(path), dotted(path), what, fix)


def _real_path(location: tuple[int | str, ...], document: Document) -> Path_:
    """The place in the file: without pydantic's mark for keys, with a key that is missing."""
    pieces = [piece for piece in location if piece != "[key]"]
    path: Path_ = ()
    for piece in pieces:
        if (*path, piece) not in document.lines:
            return (*path, piece) if piece == pieces[-1] else path
        path = (*path, piece)
    return path


def _length(document: Document, path: Path_) -> int:
    value: Any = document.value
    for piece in path:
        value = value[piece]
    return len(value)


def _did_you_mean(given: str, known: list[str], *, listed: bool = False) -> str:
    close = get_close_matches(given, known, 1)
    if close:
        return f"Did you mean {close[0]!r}?"
    return "" if listed or not known else f"Known keys: {', '.join(known)}."


def _keys_at(path: Path_, root: type[BaseModel]) -> list[str]:
    model: type[BaseModel] | None = root
    for piece in path:
        if isinstance(piece, str) and model is not None:
            model = _model_in(model.model_fields[piece].annotation)
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model), None)
