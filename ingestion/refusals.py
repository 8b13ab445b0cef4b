"""Why a record is quarantined: a closed list of reasons, and the exception that carries one."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reason codes of ``raw.rejects.reason``."""

    # the line itself; one reject stands for everything the line holds
    MALFORMED_JSON = "malformed_json"
    MALFORMED_ROW = "malformed_row"
    DUPLICATE_KEY = "duplicate_key"
    NOT_FINITE = "not_finite"
    BAD_UNICODE = "bad_unicode"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    NOT_AN_OBJECT = "not_an_object"
    EMPTY_BATCH = "empty_batch"
    BATCH_TOO_LONG = "batch_too_long"
    # one record
    MISSING_EVENT_NAME = "missing_event_name"
    MISSING_TIME = "missing_time"
    INVALID_TIME = "invalid_time"
    MISSING_SUBJECT = "missing_subject"
    INVALID_FIELD = "invalid_field"
    CONTRACT_VIOLATION = "contract_violation"
    TOO_EARLY = "too_early"
    IN_THE_FUTURE = "in_the_future"
    RECEIVED_IN_FUTURE = "received_in_future"
    OUTSIDE_CUTOVER = "outside_cutover"


class Refusal(Exception):  # noqa: N818 - not an error of the program: a verdict on a record
    """A record cannot be accepted.

    Args:
        reason: the code.
        pointer: RFC 6901 pointer to the offending value, ``""`` for the whole record.
        detail: what is wrong in words; never contains the value.
        contract_version: of the contract that refused it.
    """

    def __init__(
        self,
        reason: Reason,
        pointer: str = "",
        detail: str = "",
        contract_version: str | None = None,
    ) -> None:
        self.reason = reason
        self.pointer = pointer
        self.detail = detail
        self.contract_version = contract_version
        super().__init__(reason.value)


def child(pointer: str, key: str) -> str:
    """The pointer of a member, escaped as RFC 6901 asks."""
    return f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
