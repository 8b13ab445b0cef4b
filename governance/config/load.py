"""From ``throughline.yml`` to a ``Config``, with every error at once and each at its line."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from governance.config.model import Config
from governance.config.rules import broken_rules
from governance.config.source_text import Document, Fault, Path_, dotted, read_yaml
from governance.errors import UserError
from governance.home import Home

_REQUIRED = {
    "lawful_basis": "Choose consent, contract, legitimate_interests or not_personal; there is no default.",
    "trust": "Choose public (keys anyone can read), server or signed.",
    "surface": "Choose web, mobile, backend or other.",
    "path": "Name the folder below the home, such as landing/web/.",
    "company": "Write the company's name.",
    "sources": "Name at least one source.",
    "window": "Write how long a person has, such as 7d.",
}
_PATTERNS = {
    "currency": "Write the three capital letters of ISO 4217, such as EUR.",
    "name": "Use small letters, digits and _, starting with a letter.",
    "memory_limit": "Write a number and a unit, such as 2GB.",
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
    """The configuration written in ``text``; ``path`` is only named in errors.

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
        faults += broken_rules(config, document)
    if config is None or faults:
        raise config_error(path, faults) from None
    return config


def config_error(path: Path, faults: list[Fault]) -> ConfigError:
    """One error for all faults of a file, in the order of its lines."""
    ordered = tuple(sorted(set(faults), key=lambda fault: (fault.line, fault.key, fault.what)))
    lines = [
        f"{path}, line {f.line}: {f.key + ': ' if f.key else ''}{f.what}{' ' + f.fix if f.fix else ''}"
        for f in ordered
    ]
    error = ConfigError(
        "\n".join(lines),
        why="Every key of throughline.yml is checked before anything runs.",
        fix="Mend the lines named above, then run: throughline config check",
    )
    error.faults = ordered
    return error


def _fault(detail: ErrorDetails, document: Document) -> Fault | None:
    path = _real_path(detail["loc"], document)
    kind = detail["type"]
    key = str(path[-1]) if path else ""
    context = detail.get("ctx", {})
    what, fix = detail["msg"] + ".", ""
    if kind == "throughline":
        what, fix = context["what"], context["fix"]
    elif kind == "extra_forbidden":
        what, fix = "is not a key here.", _did_you_mean(key, _keys_at(path[:-1]))
    elif kind == "missing":
        what, fix = "is required.", _REQUIRED.get(key, "")
    elif kind == "literal_error":
        choices = str(context["expected"])
        what = f"{detail['input']!r} is none of {choices}."
        fix = _did_you_mean(
            str(detail["input"]), choices.replace("'", "").replace(" or ", ", ").split(", ")
        )
    elif kind == "string_pattern_mismatch":
        what, fix = (
            f"{detail['input']!r} is not of the right form.",
            _PATTERNS.get(key, _PATTERNS["name"]),
        )
    elif kind in ("model_type", "dict_type", "model_attributes_type"):
        what = "must be a mapping of keys."
    elif kind in ("tuple_type", "list_type"):
        what, fix = "must be a list.", "Write one item a line, each after a dash."
    return Fault(document.line(path), dotted(path), what, fix)


def _real_path(location: tuple[int | str, ...], document: Document) -> Path_:
    """The location without what pydantic adds for unions and keys."""
    path: Path_ = ()
    for piece in location:
        if (*path, piece) in document.lines or isinstance(piece, int):
            path = (*path, piece)
    last = location[-1] if location else None
    if last is not None and (not path or path[-1] != last) and location[:-1] == path:
        path = (*path, last)
    return path


def _did_you_mean(given: str, known: list[str]) -> str:
    close = get_close_matches(given, known, 1, 0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    return f"Known keys: {', '.join(known)}." if known else ""


def _keys_at(path: Path_) -> list[str]:
    model: type[BaseModel] | None = Config
    for piece in path:
        if isinstance(piece, str) and model is not None:
            model = _model_in(model.model_fields[piece].annotation)
    return list(model.model_fields) if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model), None)
