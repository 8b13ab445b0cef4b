"""A home: the folder that holds everything of one company.

``throughline.yml``, ``contracts/`` and ``identity_overrides.jsonl`` belong to its owner and live in
git; ``.env`` holds secrets; all other paths are made by the program. A tenant is a home, so no
query can cross tenants.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from governance.errors import UserError

HOME_VARIABLE = "THROUGHLINE_HOME"


@dataclass(frozen=True, slots=True)
class Home:
    """The paths of one company, all below ``root`` (absolute)."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "throughline.yml"

    @property
    def contracts(self) -> Path:
        return self.root / "contracts"

    @property
    def identity_overrides(self) -> Path:
        """What people said about identifiers; absent when nobody said anything."""
        return self.root / "identity_overrides.jsonl"

    @property
    def env(self) -> Path:
        return self.root / ".env"

    @property
    def keys(self) -> Path:
        return self.root / ".keys"

    @property
    def landing(self) -> Path:
        return self.root / "landing"

    @property
    def warehouse(self) -> Path:
        return self.root / "warehouse.duckdb"

    @property
    def lock(self) -> Path:
        return self.root / ".warehouse.lock"

    @property
    def vault(self) -> Path:
        return self.root / "vault.duckdb"

    @property
    def rejects(self) -> Path:
        return self.root / "rejects"

    @property
    def published(self) -> Path:
        return self.root / "published"

    @property
    def dagster(self) -> Path:
        return self.root / ".dagster"

    @property
    def dlt(self) -> Path:
        """Working folder of dlt; safe to delete between runs."""
        return self.root / ".dlt"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def truth(self) -> Path:
        """What the sample company's latent actors really did; never read by the pipeline."""
        return self.root / "truth"


def find_home(given: Path | None = None) -> Home:
    """The home named on the command line, by ``THROUGHLINE_HOME``, or ``./data`` of the demo.

    Raises:
        UserError: when the folder does not exist.
    """
    named = given or (Path(os.environ[HOME_VARIABLE]) if os.environ.get(HOME_VARIABLE) else None)
    root = (named or Path("data")).expanduser().resolve()
    if not root.is_dir():
        raise UserError(
            f"There is no home at {root}.",
            why="A home is a folder with a throughline.yml.",
            fix=f"Make one with: throughline init {root}",
        )
    return Home(root)
