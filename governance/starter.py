"""``throughline init``: the files a new home starts with."""

from __future__ import annotations

import re
from pathlib import Path

from governance.config import write_json_schema
from governance.errors import UserError
from governance.home import Home
from governance.keys import make_keys, write_private

_IGNORED = """\
# secrets and what is made from throughline.yml and contracts/
.env
.keys*/
.warehouse.lock
.dlt/
.dagster/
landing/
logs/
published/
rejects/
truth/
*.duckdb
*.duckdb.wal
*.duckdb.tmp/
"""

_ENV = """\
# Secrets of this home, one NAME=value a line. throughline.yml names them as env:NAME.
# Never commit this file.
"""

_EXAMPLE_CONTRACT = """\
{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "sign_up",
  "description": "Somebody made an account.",
  "x-version": "1-0-0",
  "x-owner": "growth@example.com",
  "type": "object",
  "properties": {
    "plan": {"type": "string", "enum": ["free", "pro"], "x-class": "internal"}
  }
}
"""


def starter(company: str) -> str:
    """The text of a first ``throughline.yml``: one source that works, the rest as comments."""
    return _STARTER.replace("EXAMPLE\n", EXAMPLE_SOURCE).replace("COMPANY", company)


def init_home(root: Path) -> Home:
    """Make a home in ``root``: configuration, contracts, landing folder, keys, .env and .gitignore.

    Raises:
        UserError: one of the files exists already; nothing is overwritten.
    """
    home = Home(root.expanduser().resolve())
    taken = [path for path in (home.config, home.keys, home.warehouse) if path.exists()]
    if taken:
        raise UserError(
            f"{home.root} is a home already: there is {taken[0].name}.",
            why="Nothing is overwritten; new keys would not fit what is stored.",
            fix=f"See how it is with: throughline --home {home.root} status",
        )
    company = re.sub(r"[^a-z0-9_]+", "_", home.root.name.lower()).strip("_") or "company"
    (home.landing / "web").mkdir(parents=True, exist_ok=True)
    home.contracts.mkdir(exist_ok=True)
    _write_new(home.contracts / "sign_up.json", _EXAMPLE_CONTRACT)
    _write_new(home.root / ".gitignore", _IGNORED)
    write_json_schema(home.root / ".throughline.schema.json")
    if not home.env.exists():
        write_private(home.env, _ENV)
    make_keys(home)
    # Last: a home without a throughline.yml was not finished, and init can be run again.
    _write_new(home.config, starter(company))
    return home


def _write_new(path: Path, text: str) -> None:
    if not path.exists():
        path.write_text(text, encoding="utf-8")


EXAMPLE_SOURCE = """\
  - name: web
    kind: landing              # JSON lines in a folder; others: throughline connect
    format: native             # native | segment
    path: landing/web/         # put *.jsonl, *.jsonl.gz or *.jsonl.zst here
    surface: web               # web | mobile | backend | other
    trust: public              # public | server | signed
    lawful_basis: consent      # consent | contract | legitimate_interests | not_personal
    # consent_map: {analytics: context.consent.categoryPreferences.Analytics}
    # row_identity: position   # position | content, where the producer gives no ids
    # earliest: 2024-01-01     # what occurred before is quarantined
"""

_STARTER = """\
# yaml-language-server: $schema=.throughline.schema.json
company: COMPANY
time_zone: UTC                 # of reporting days, such as Europe/Berlin
currency: EUR                  # of reporting amounts
sessions: {timeout: 30m, scope: person, max_length: null}
identity: {handover_gap: 30m, hub_limit: 50, kiosk_limit: 10}

sources:                       # docs/sources.md says what each key means
EXAMPLE

# funnels:
#   - name: activation
#     steps:
#       - {event: sign_up}
#       - {event: order_completed, where: {properties.plan: pro}}
#     window: 7d
#     mode: ordered            # ordered | strict | any
#     exclusions: [{event: cancelled, after: 1, before: 2}]
#     breakdowns: [surface]

# features:                    # who adopts them within 28 days of being able to
#   - {name: wishlist, event: wishlist_added}
#   - {name: basket, event: add_to_cart, eligible: {event: product_viewed}}

# revenue: {source: web}       # the one source believed about money
key_events: [sign_up]          # count as conversions
# internal_users: [u_1]        # flagged in every table
# exchange_rates: exchange_rates.csv   # date,currency,rate

# publish: {to: [{postgres: env:BI_URL, schema: analytics}]}   # or s3://bucket/folder
# alerts: {webhook: env:ALERT_WEBHOOK}   # the secret itself goes to .env
"""
