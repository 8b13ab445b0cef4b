"""The steps that files and databases share: a free name, a lawful basis, the trial, the writing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from governance.config import Config, ConfigError, Source, parse_config
from governance.consent import LAWFUL_BASES
from governance.errors import UserError
from governance.home import Home
from governance.keys import Keys
from ingestion.trial import Trial, try_source
from orchestration.connect.block import (
    replace_file,
    source_lines,
    with_source,
    without_example,
)
from orchestration.connect.choices import SURFACES, TRUSTS
from orchestration.connect.connection import Connection
from orchestration.connect.dotenv import keep_secret, put_back
from orchestration.connect.proposal import Proposal
from orchestration.connect.questions import Dialogue, Given

_BASIS = (
    "Why may you use these records? consent: each says that its person agreed; contract: you need"
    " them to deliver what was ordered; legitimate_interests: yours outweigh, unless somebody"
    " objects; not_personal: they are of nobody. Nobody but you can know."
)


class Steps:
    """What files and databases do alike."""

    def __init__(
        self,
        home: Home,
        config: Config,
        keys: Keys,
        given: Given,
        dialogue: Dialogue,
        place: str,
    ) -> None:
        self.home = home
        self.config = config
        self.keys = keys
        self.given = given
        self.dialogue = dialogue
        self.place = place
        self.notes: list[str] = []
        self.secret: tuple[str, str] | None = None
        self.text = home.config.read_text(encoding="utf-8")
        self.base = self._base()

    def _base(self) -> str:
        """The configuration to add to: the example of ``init`` gives way while nobody uses it."""
        folder = self.home.landing / "web"
        has_files = folder.is_dir() and any(folder.iterdir())
        if self.home.warehouse.exists() or (has_files and not self._is_about(folder)):
            return self.text
        return without_example(self.text)

    def _is_about(self, folder: Path) -> bool:
        given = self.given.path
        return given is not None and any(
            (start / Path(given).expanduser()).resolve() == folder.resolve()
            for start in (Path.cwd(), self.home.root)
        )

    @property
    def taken(self) -> list[str]:
        names = [source.name for source in self.config.sources]
        if self.base != self.text:
            names.remove("web")
        return names

    def name(self, proposed: str) -> str:
        """A name that is free and of the right form."""
        slug = re.sub(r"[^a-z0-9]+", "_", proposed.lower()).strip("_")[:40]
        slug = slug if slug[:1].isalpha() else f"source_{slug}".rstrip("_")
        found = self.given.name or self.dialogue.text("--name", "Name of the source?", slug)
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,47}", found):
            raise UserError(
                f"{found!r} can not be the name of a source.",
                why="Names have small letters, digits and _, and begin with a letter.",
                fix=f"--name {slug}",
            )
        if found in self.taken:
            number = next(n for n in range(2, 1000) if f"{found}_{n}" not in self.taken)
            raise UserError(
                f"There is a source {found!r} already.",
                why="Records are kept under the name of their source.",
                fix=f"--name {found}_{number}   (or change that one in throughline.yml)",
            )
        return found

    def ground(self, surface: str, trust: str) -> tuple[str, str, str]:
        """Surface, trust and lawful basis; the last is never proposed."""
        given = self.given
        ask = self.dialogue.choose
        return (
            given.surface or ask("--surface", "Where do people meet it?", SURFACES, surface),
            given.trust or ask("--trust", "Who can write into it?", TRUSTS, trust),
            given.lawful_basis or ask("--lawful-basis", _BASIS, LAWFUL_BASES, None),
        )

    def finish(self, proposal: Proposal, **more: Any) -> Connection:
        """Parse what would be written, try it, and hand both out."""
        lines = source_lines(proposal.entries())
        text = with_source(self.base, lines)
        try:
            config = parse_config(text, self.home.config)
        except ConfigError as error:
            raise _unfit(error, lines) from None
        source = config.source(proposal.name)
        if source.lawful_basis != proposal.lawful_basis or len(config.sources) != 1 + len(
            self.taken
        ):
            raise UserError(
                "The source can not be put into throughline.yml without changing others.",
                fix="Add what --dry-run prints by hand.",
            )
        trial = try_source(self.home, config, self.keys, source)
        _refuse_nothing(trial)
        self._note_revenue(config, source, trial)
        return Connection(
            source=source,
            lines=lines,
            trial=trial,
            notes=tuple(self.notes),
            replaces_example=self.base != self.text,
            _commit=lambda: self._write(text),
            **more,
        )

    def _note_revenue(self, config: Config, source: Source, trial: Trial) -> None:
        has_money = any(record.amount is not None for record in trial.shown)
        names = config.revenue.names if config.revenue else ()
        if not has_money or source.name in names:
            return
        if names:
            self.notes.append(
                f"Its amounts are matched with those of {', '.join(names)} (revenue:) by order_id"
                " and reported; they are added to nothing."
            )
            return
        self.notes.append(
            "It carries amounts. Once two sources do, say which one is believed:"
            f" revenue: {{source: {source.name}}}"
        )

    def _write(self, text: str) -> None:
        before = self.home.env.read_bytes() if self.home.env.exists() else None
        try:
            if self.secret is not None:
                keep_secret(self.home, *self.secret)
            replace_file(self.home.config, self.text, text)
        except BaseException:
            if self.secret is not None:
                put_back(self.home.env, before)
            raise


def last_name(place: str) -> str:
    """The last name of a path or address that says anything."""
    bare = re.sub(r"[?#].*", "", place).rstrip("/")
    bare = bare.removesuffix("/.") if bare.endswith("/.") else bare
    last = re.split(r"[/:]", bare)[-1]
    return re.sub(r"\.(db|sqlite3?|duckdb)$", "", last) or "source"


def lacking(what: str, missing: tuple[str, ...], columns: list[str], option: str) -> UserError:
    """What to say when fields are needed that no column seems to hold."""
    first = missing[0].split(" or ")[0]
    return UserError(
        f"{what} need {', '.join(missing)}; no field seems to hold it.",
        why=f"There is: {', '.join(columns[:40])}",
        fix=option.format(first),
    )


def _unfit(error: ConfigError, lines: list[str]) -> UserError:
    """What the configuration says against a source that was not written."""
    faults = [f"{fault.key.rpartition('].')[2]}: {fault.what}" for fault in error.faults]
    fixes = [fault.fix for fault in error.faults if fault.fix]
    return UserError(
        "The source can not be written: " + " ".join(faults),
        why="It would have been:\n" + "\n".join(lines),
        fix=" ".join(fixes) or "Say more with options; see: throughline connect --help",
    )


def _refuse_nothing(trial: Trial) -> None:
    """A source nothing can be read of."""
    if trial.records or not trial.problems:
        return
    problem = trial.problems[0]
    raise UserError(f"{problem.segment} {problem.what}.", fix=problem.fix)
