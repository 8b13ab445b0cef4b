"""The sample company's own files: ``throughline.yml``, ``contracts/`` and ``exchange_rates.csv``.

They are kept once, in the demo's home (the repository's ``data/``), and copied to other homes
from there.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from governance.errors import UserError
from governance.home import Home

COMPANY = Path(__file__).parents[2] / "data"
_FILES = ("throughline.yml", "exchange_rates.csv")


def install_company(home: Home) -> None:
    """Give a home without a ``throughline.yml`` the sample company's; others are left alone.

    Raises:
        UserError: when the clone's ``data/`` folder is not there to copy from.
    """
    if home.config.exists():
        return
    if not (COMPANY / "throughline.yml").exists():
        raise UserError(
            f"The sample company's configuration is not at {COMPANY}.",
            why="It is part of the repository and not of an installed package.",
            fix="Run this from a clone, or write a throughline.yml first: throughline init DIR",
        )
    home.root.mkdir(parents=True, exist_ok=True)
    shutil.copytree(COMPANY / "contracts", home.contracts, dirs_exist_ok=True)
    for name in reversed(_FILES):  # the configuration last: it says that the rest is there
        shutil.copyfile(COMPANY / name, home.root / name)
