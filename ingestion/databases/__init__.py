"""Tables of a company's own databases, read into spool files that are loaded like any dump.

::

    snapshot of a table -> dlt sql_table (Arrow) -> digests -> compared with what is known
        |-> landing/<source>/<table>/<time>-<random>.parquet    versions and tombstones
        |-> landing/<source>/<table>/.state/                    what is known by now

Nothing here opens the warehouse: a slow database holds nobody up.
"""

from ingestion.databases.extraction import (
    Extraction,
    TableCheck,
    check,
    extract,
)
from ingestion.databases.files import Facts, facts_of
from ingestion.databases.tables import TableRead

__all__ = ["Extraction", "Facts", "TableCheck", "TableRead", "check", "extract", "facts_of"]
