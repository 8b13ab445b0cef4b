"""Keys and ``.env``, which travel apart from the data they protect."""

from __future__ import annotations

import os
from pathlib import Path

from governance.errors import UserError
from governance.home import Home
from governance.keys import FILES, load_keys, write_private
from orchestration.publishing.store import sync_folder


def fitting_keys(home: Home, key_id: str | None) -> str:
    """The id of the keys in ``home``.

    Raises:
        UserError: they are damaged, or not those the warehouse was made with.
    """
    found = load_keys(home).key_id
    if key_id is not None and found != key_id:
        raise UserError(
            f"The keys in {home.keys} do not belong to this warehouse ({found}, not {key_id}).",
            why="What is stored can only be used with the keys it was made with.",
            fix="Name the folder with the keys of that home.",
        )
    return found


def copy_keys(home: Home, target: Path) -> None:
    """Keys and .env, readable by their owner alone. The same keys may be there already.

    Raises:
        UserError: other keys are there.
    """
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = Home(target)
    if home.keys.exists():
        place.keys.mkdir(mode=0o700, exist_ok=True)
        for name in FILES:
            text = (home.keys / name).read_text("ascii")
            try:
                write_private(place.keys / name, text)
            except FileExistsError:
                if (place.keys / name).read_text("ascii").strip() != text.strip():
                    raise UserError(
                        f"{place.keys} holds the keys of another home.",
                        why="Keys are never overwritten.",
                        fix="Name another folder with --keys-to.",
                    ) from None
    if home.env.exists():
        draft = place.root / f".env.{os.getpid()}"
        draft.unlink(missing_ok=True)
        write_private(draft, home.env.read_text("utf-8"))
        draft.replace(place.env)
    sync_folder(target)
