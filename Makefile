# Everything a person types. GNU make 3.81 (macOS) is enough; nothing here needs the network once
# `make install` has finished. The first target is the default.

# The first interpreter that Throughline supports; override with: make PYTHON=/path/to/python3.12
PYTHON ?= $(firstword $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p; \
  done) python3)

PY := .venv/bin/python
SOURCES := governance ingestion orchestration tests docs
PROSE := $(wildcard *.md deploy Makefile pyproject.toml data/throughline.yml data/contracts data/README.md)
DBT := THROUGHLINE_WAREHOUSE=:memory: .venv/bin/dbt --log-level-file none --no-use-colors

# Wheels of uv.lock for one platform (Linux x86_64, Python 3.11): the sum of their sizes there.
DOWNLOAD := 480 MB
INSTALLED := 2.0 GB

# Clients that live beside us, each at the version its users have (docs/decisions.md, 17).
OLD_DUCKDB := duckdb==1.1.3
OLD_SQLALCHEMY := sqlalchemy>=1.4.54,<2 duckdb-engine==0.17.0 duckdb>=1.5.5,<1.6

# Other tools that the benchmarks compare the models with.
RIVALS := chdb>=4.4,<5 polars>=2.1,<3 pandas>=3.1,<4 pyarrow>=26,<27

# Nobody is told that you run this.
export DO_NOT_TRACK := 1
export DBT_SEND_ANONYMOUS_USAGE_STATS := false
export RUNTIME__DLTHUB_TELEMETRY := false
export GX_ANALYTICS_ENABLED := false
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo dev test test-long bench lint imports types parse docs clean clean-demo

help:  ## show this list
	@echo "Throughline: product analytics you can account for. Start with: make demo"
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.installed  ## a sample company, from raw events to published marts, in two to four minutes
	@.venv/bin/throughline demo

dev: .venv/.installed  ## the Dagster UI on the demo's home
	@.venv/bin/throughline dev

test: .venv/.installed clients lint types imports parse  ## every check: lint, types, import law, dbt parse, all tests
	@$(PY) -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-long: .venv/.installed  ## the proofs that take too long for `make test`
	@$(PY) -m pytest -m long --numprocesses 2 --dist loadfile --no-loadscope-reorder

bench: .venv/.installed rivals  ## speed and memory beside their budgets (docs/performance.md)
	@failed=0; for file in tests/benchmarks/bench_*.py; do \
	  $(PY) -m tests.benchmarks.$$(basename $$file .py) || failed=1; done; exit $$failed

lint: .venv/.installed  ## ruff, codespell, sqlfmt
	@$(PY) -m ruff check $(SOURCES)
	@$(PY) -m ruff format --check $(SOURCES)
	@.venv/bin/codespell $(SOURCES) dbt_project $(PROSE)
	@.venv/bin/sqlfmt --check --no-progressbar --quiet dbt_project/models

types: .venv/.installed  ## basedpyright
	@.venv/bin/basedpyright --pythonpath $(PY)

imports: .venv/.installed  ## the law: governance <- ingestion <- orchestration
	@.venv/bin/lint-imports

parse: .venv/.installed  ## dbt reads its project without a home
	@$(DBT) parse --project-dir dbt_project --profiles-dir dbt_project --quiet

docs: .venv/.installed  ## docs/site: the dbt catalogue as one page, and every published column
	@$(DBT) docs generate --static --empty-catalog --project-dir dbt_project --profiles-dir dbt_project --quiet
	@mkdir -p docs/site && cp dbt_project/target/static_index.html docs/site/index.html
	@$(PY) docs/columns.py dbt_project/target/manifest.json docs/site/columns.md
	@echo "Open docs/site/index.html and docs/site/columns.md"

install: .venv/.installed  ## the virtual environment only
	@echo "Installed in $(CURDIR)/.venv"

# The stamp holds the folder's path: a virtual environment does not survive a move.
ifneq ($(shell cat .venv/.installed 2>/dev/null),$(CURDIR))
.PHONY: .venv/.installed
endif
.venv/.installed: pyproject.toml uv.lock
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) on this machine. Throughline needs Python 3.11, 3.12 or 3.13."; \
	  echo "Fix (Debian, Ubuntu): sudo apt-get install python3 python3-venv"; \
	  echo "Fix (macOS):          brew install python@3.13"; exit 1; } >&2
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1). Throughline needs Python 3.11, 3.12 or 3.13."; \
	  echo "Fix (Debian, Ubuntu): sudo apt-get install python3.12 python3.12-venv && make PYTHON=python3.12"; \
	  echo "Fix (macOS):          brew install python@3.13 && make PYTHON=python3.13"; exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$(PYTHON) cannot make virtual environments: its venv package is not installed."; \
	  echo "Fix (Debian, Ubuntu): sudo apt-get install python$$version-venv"; \
	  echo "Fix (elsewhere):      a Python from https://www.python.org/downloads/, then make PYTHON=/path/to/it"; \
	  exit 1; } >&2
	@.venv/bin/pip --version 2>/dev/null | grep -qF "$(CURDIR)/" || { \
	  echo "Making .venv with $$($(PYTHON) --version)"; rm -rf .venv && $(PYTHON) -m venv .venv; }
	@echo "Installing the locked packages: up to $(DOWNLOAD) to download, $(INSTALLED) on disk, usually one to three minutes (no output meanwhile)"
	@# compiled once here: some machines never write bytecode, and every command would compile dagster and dbt again
	@{ $(PY) -m pip install --quiet --retries 2 'uv>=0.9,<1' \
	  && UV_PROJECT_ENVIRONMENT=.venv .venv/bin/uv sync --frozen --quiet --compile-bytecode --python $(PY); } || { \
	  echo; echo "The packages could not be installed; the reason is above."; \
	  echo "Fix: check the network (behind a proxy: export HTTPS_PROXY=http://host:port) and the free disk space,"; \
	  echo "     then type the same command again: it continues where it stopped."; exit 1; } >&2
	@printf '%s\n' "$(CURDIR)" > $@

# Older clients of the published file. Without them (no network) their tests are skipped, saying so;
# REQUIRE_CLIENTS=1 makes that a failure.
.PHONY: clients
clients: .venv/.installed
	@test -e .tools/.installed || { mkdir -p .tools \
	  && .venv/bin/uv pip install --quiet --python $(PY) --target .tools/duckdb-old '$(OLD_DUCKDB)' \
	  && .venv/bin/uv venv --quiet --allow-existing --python $(PY) .tools/sqlalchemy-old \
	  && .venv/bin/uv pip install --quiet --python .tools/sqlalchemy-old/bin/python \
	       $(foreach package,$(OLD_SQLALCHEMY),'$(package)') \
	  && touch .tools/.installed; } \
	  || { echo "The older clients could not be installed; their tests will be skipped." >&2; \
	       test -z "$$REQUIRE_CLIENTS"; }

# What bench_models compares with. Without it (no network) those lines are left out, saying so.
.PHONY: rivals
rivals: .venv/.installed
	@test -e .tools/rivals/.installed || { \
	  .venv/bin/uv venv --quiet --allow-existing --python $(PY) .tools/rivals \
	  && .venv/bin/uv pip install --quiet --python .tools/rivals/bin/python \
	       $(foreach package,$(RIVALS),'$(package)') \
	  && touch .tools/rivals/.installed; } \
	  || echo "ClickHouse, Polars and pandas could not be installed; they are left out." >&2

clean:  ## remove the environment, caches and built pages; the demo's data stays
	@rm -rf .venv .tools .pytest_cache .ruff_cache .hypothesis .import_linter_cache docs/site \
	  dbt_project/target dbt_project/logs logs
	@find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

clean-demo:  ## forget the demo: its events, keys, warehouse and published copies
	@cd data && rm -rf .keys .dagster .dlt .warehouse.lock landing sources rejects published truth logs \
	  warehouse.duckdb* vault.duckdb*
