"""What the shared options mean: the home, its configuration, keys and secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from governance.home import HOME_VARIABLE, Home, find_home
from orchestration.cli.output import Output

if TYPE_CHECKING:
    from governance.config import Config
    from governance.keys import Keys


@dataclass(frozen=True, slots=True)
class State:
    """The shared options of one invocation."""

    given_home: Path | None
    as_json: bool

    @property
    def output(self) -> Output:
        return Output(self.as_json)

    def home(self) -> Home:
        """The home, with the secrets of its ``.env`` in the environment.

        Raises:
            UserError: there is no such folder, or other users can read its ``.env``.
        """
        home = find_home(self.given_home)
        _read_secrets(home)
        os.environ[HOME_VARIABLE] = str(home.root)  # for dbt and Dagster, wherever we were started
        return home

    def opened(self) -> tuple[Home, Config, Keys]:
        """The home with its configuration and keys, for commands that work on data.

        Raises:
            UserError: the configuration or the keys can not be used.
        """
        from governance.config import load_config
        from governance.keys import load_keys

        home = self.home()
        return home, load_config(home), load_keys(home)


def state(context: typer.Context) -> State:
    """The shared options of the command that runs."""
    found = context.find_object(State)
    assert found is not None, "the app's callback sets it"
    return found


def _read_secrets(home: Home) -> None:
    """Add ``.env`` to the environment; what is set there already wins."""
    if not home.env.exists():
        return
    from governance.config.scalars import read_env_file
    from governance.keys import refuse_open_mode

    refuse_open_mode(home.env)
    for name, value in read_env_file(home.env).items():
        os.environ.setdefault(name, value)
