"""Resources, alone in their module, so that no definition can hide them."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from dagster_dlt import DagsterDltResource

from governance.config import Config, load_config
from governance.home import Home
from governance.keys import Keys, load_keys


class HomeResource(dg.ConfigurableResource):
    """The home a run works on; configuration and keys are read when a step starts, not at load."""

    root: str

    @property
    def place(self) -> Home:
        return Home(Path(self.root))

    def read_config(self) -> Config:
        return load_config(self.place)

    def read_keys(self) -> Keys:
        return load_keys(self.place)


def resources(home: Home) -> dict[str, object]:
    """Every resource of the code location, by the name steps ask for."""
    return {"home": HomeResource(root=str(home.root)), "dlt": DagsterDltResource()}
