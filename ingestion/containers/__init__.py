"""How records lie in files that are not JSON lines: tables and lines of text, row by row.

Each kind has ``rows``, which hands them out in flat memory, and ``count``, which shares no reader
with it: the ledger compares what the two say. Archives hold files of any kind.
"""
