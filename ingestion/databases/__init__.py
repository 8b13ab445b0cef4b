"""Tables of a company's own databases, read into spool files that are loaded like any dump.

::

    snapshot of a table -> dlt sql_table (Arrow) -> digests -> compared with what is known
                                                                  |-> landing/<source>/<table>/*.parquet
                                                                  |-> landing/<source>/<table>/.state/

Nothing here opens the warehouse: a slow database holds nobody up.
"""

from ingestion.databases.extraction import (
    Extraction,
    TableCheck,
    TableRead,
    check,
    extract,
)
from ingestion.databases.files import Facts, facts_of

__all__ = ["Extraction", "Facts", "TableCheck", "TableRead", "check", "extract", "facts_of"]
