"""dbt as a child process that dies with its parent: ``python -m orchestration.dbt_child build …``.

When a run is killed, its dbt would otherwise go on writing to the warehouse beside the run that
replaces it. DuckDB's write-ahead log makes the sudden end safe; the next build starts over.
"""

from __future__ import annotations

import os
import threading
import time

_EVERY_SECONDS = 0.5
_ORPHANED = 70  # EX_SOFTWARE


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_EVERY_SECONDS)
    os._exit(_ORPHANED)


def main() -> None:
    """Run dbt's own command line in this process."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    from dbt.cli.main import cli  # seconds of imports: the watch starts first

    cli()


if __name__ == "__main__":
    main()
