"""Audits: rows rebuilt from raw and compared with those that stand.

    persons, and names nobody has, by seed
          `--> the raw rows theirs depend on --> a scratch warehouse, built from nothing
                                                                |
    standing marts ------------- row by row --------------------+--> mismatches: row, columns, input

Marts are brought up to date by touched keys, so a mistake there would stay; an audit does not know
what was touched. Raw rows are taken as they were judged: under the contract and the policy that
each of them records.
"""

from orchestration.audit.auditing import (
    MOST_PERSONS,
    MOST_ROWS,
    AuditReport,
    audit,
    parse_ahead,
    refuse_mismatches,
)
from orchestration.audit.comparing import Difference, Mismatch, RawInput

__all__ = [
    "MOST_PERSONS",
    "MOST_ROWS",
    "AuditReport",
    "Difference",
    "Mismatch",
    "RawInput",
    "audit",
    "parse_ahead",
    "refuse_mismatches",
]
