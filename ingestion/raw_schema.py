"""The Arrow schemas of the ``raw`` tables: the contract between the loader and dbt's staging.

A record is identified by (source, segment, generation, position, item): the landing file below the
source's folder, how often that file was read from its start, the uncompressed byte offset of its
line and the index inside a batch. All timestamps are UTC microseconds without a zone.
"""

from __future__ import annotations

import pyarrow as pa

TIME = pa.timestamp("us")
MONEY = pa.decimal128(18, 6)

RECORD = [
    pa.field("source", pa.string(), nullable=False),
    pa.field("segment", pa.string(), nullable=False),
    pa.field("generation", pa.int32(), nullable=False),
    pa.field("position", pa.int64(), nullable=False),
    pa.field("item", pa.int32(), nullable=False),
    pa.field("receipt_id", pa.string()),
    pa.field("receipt_hour", TIME),
]

EVENTS = pa.schema(
    [
        *RECORD,
        # what the record stands for
        pa.field("record_kind", pa.string(), nullable=False),  # event, or of which table's rows
        pa.field("version_at", TIME),  # of rows that change: the latest version counts
        pa.field("is_deleted", pa.bool_(), nullable=False),  # the row is gone: no event
        # the loader's judgement
        pa.field("disposition", pa.string(), nullable=False),  # accepted | stripped
        pa.field("strip_reason", pa.string()),  # missing | denied | unreadable | contradictory
        pa.field("dedupe_key", pa.string(), nullable=False),  # keyed hash of (group, producer id)
        pa.field(
            "content_digest", pa.string(), nullable=False
        ),  # of the record less its transport stamps
        pa.field("contract_status", pa.string()),  # valid | unplanned
        pa.field("contract_version", pa.string()),
        pa.field("redactions", pa.int32(), nullable=False),  # masked patterns in this record
        # what happened
        pa.field("event_id", pa.string()),
        pa.field("event_name", pa.string(), nullable=False),
        pa.field("event_type", pa.string()),  # track|page|screen|identify|group|alias|system
        pa.field("schema_version", pa.string()),
        pa.field("is_interactive", pa.bool_(), nullable=False),
        # when
        pa.field("occurred_at", TIME, nullable=False),  # corrected for the client's clock
        pa.field("original_at", TIME),  # as the producer said
        pa.field("sent_at", TIME),
        pa.field("received_at", TIME, nullable=False),
        pa.field("received_at_origin", pa.string()),  # receipt | declared | sent | event
        # who
        pa.field("user_id", pa.string()),
        pa.field("anonymous_id", pa.string()),
        pa.field("device_id", pa.string()),
        pa.field("account_id", pa.string()),
        pa.field("external_ids", pa.string()),  # JSON object namespace -> value, keys sorted
        pa.field("email_token", pa.string()),
        pa.field("email_verified", pa.bool_()),
        pa.field("phone_token", pa.string()),
        pa.field("previous_id", pa.string()),  # alias only
        pa.field("client_session_id", pa.string()),
        # consent as it travelled with the event
        pa.field("consent_analytics", pa.bool_()),
        pa.field("consent_marketing", pa.bool_()),
        pa.field("consent_source", pa.string()),
        pa.field("consent_checked_at", TIME),
        pa.field("consent_version", pa.string()),
        # where
        pa.field("surface", pa.string(), nullable=False),
        pa.field("platform", pa.string()),
        pa.field("app_version", pa.string()),
        pa.field("library", pa.string()),
        pa.field("library_version", pa.string()),
        pa.field("correlation_id", pa.string()),
        pa.field("page_url", pa.string()),  # query reduced to the allow-list
        pa.field("page_path", pa.string()),
        pa.field("page_title", pa.string()),
        pa.field("referrer", pa.string()),
        pa.field("referrer_host", pa.string()),
        pa.field("screen", pa.string()),
        pa.field("utm_source", pa.string()),
        pa.field("utm_medium", pa.string()),
        pa.field("utm_campaign", pa.string()),
        pa.field("utm_term", pa.string()),
        pa.field("utm_content", pa.string()),
        pa.field("click_id_kind", pa.string()),  # gclid | fbclid | msclkid | …
        pa.field("locale", pa.string()),
        pa.field("time_zone", pa.string()),
        pa.field("country", pa.string()),
        pa.field("device_class", pa.string()),  # desktop | mobile | tablet | bot | other
        pa.field("is_bot", pa.bool_(), nullable=False),
        # money
        pa.field("revenue", MONEY),
        pa.field("currency", pa.string()),
        pa.field("order_id", pa.string()),
        # the rest: JSON objects, keys as sent
        pa.field("properties", pa.string()),  # declared by the contract: reviewed
        pa.field(
            "properties_unreviewed", pa.string()
        ),  # not declared, or classed free_text or sensitive; patterns masked
    ]
)

REJECTS = pa.schema(
    [
        *RECORD,
        pa.field("reject_id", pa.string(), nullable=False),  # keyed hash of the record's identity
        pa.field(
            "records", pa.int32(), nullable=False
        ),  # how many records of the ledger it stands for
        pa.field("reason", pa.string(), nullable=False),  # ingestion.refusals.Reason
        pa.field("pointer", pa.string()),  # JSON pointer to the offending value
        pa.field("detail", pa.string()),  # what is wrong, never the value itself
        pa.field("event_name", pa.string()),  # where it could be read; masked
        pa.field("contract_version", pa.string()),
        pa.field("digest", pa.string(), nullable=False),  # keyed digest of the bytes
        pa.field("bytes_length", pa.int64(), nullable=False),
        pa.field("stored_in", pa.string(), nullable=False),  # file below rejects/
        pa.field("stored_at", pa.int64(), nullable=False),  # offset in that file
    ]
)

SEGMENTS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("generation", pa.int32(), nullable=False),
        pa.field("from_offset", pa.int64(), nullable=False),  # uncompressed bytes
        pa.field("to_offset", pa.int64(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),  # of the file when it was read
        pa.field("head_digest", pa.string(), nullable=False),  # recognises a file that was replaced
        pa.field("lines", pa.int64(), nullable=False),
        pa.field("accepted", pa.int64(), nullable=False),
        pa.field("stripped", pa.int64(), nullable=False),
        pa.field("quarantined", pa.int64(), nullable=False),
        pa.field("max_received_at", TIME),
    ]
)

RECEIPTS = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("generation", pa.int32(), nullable=False),
        pa.field("from_offset", pa.int64(), nullable=False),
        pa.field("to_offset", pa.int64(), nullable=False),
        pa.field("receipt_hour", TIME),
        pa.field("records", pa.int64(), nullable=False),
    ]
)

EXCHANGE_RATES = pa.schema(
    [
        pa.field("date", pa.date32(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field(
            "rate", pa.decimal128(18, 8), nullable=False
        ),  # reporting-currency units for 1 unit
    ]
)

# a is the stronger of the two: the smaller (priority of the kind, kind, value)
IDENTITY_OVERRIDES = pa.schema(
    [
        pa.field("action", pa.string(), nullable=False),  # link | unlink | reset
        pa.field("a_kind", pa.string(), nullable=False),
        pa.field("a_value", pa.string(), nullable=False),  # tokens for direct identifiers
        pa.field("b_kind", pa.string(), nullable=False),
        pa.field("b_value", pa.string(), nullable=False),
        pa.field("author", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("stated_at", TIME, nullable=False),  # information only: the last line counts
        pa.field("position", pa.int64(), nullable=False),  # line of the file, from 1
    ]
)

TABLES = {
    "events": EVENTS,
    "rejects": REJECTS,
    "segments": SEGMENTS,
    "receipts": RECEIPTS,
    "exchange_rates": EXCHANGE_RATES,
    "identity_overrides": IDENTITY_OVERRIDES,
}

FILES_OF_THE_OWNER = ("exchange_rates", "identity_overrides")
"""Read whole by every load: of them the rows of the newest committed load count."""
