# The commands of the project: `make help` lists them. Each does its own set-up (.ci/set-up makes .venv when it has to);
# python3 (3.11 or newer) and make are all that must be there. PYTHON=/path/to/python chooses another Python.

.DEFAULT_GOAL := help
.PHONY: help demo test fuzz snapshots survival chaos e2e patroni pictures docs lint format types contracts build bench check clean venv venv-demo

SHELL := /bin/sh
BIN := .venv/bin

# Test processes at once. More than a few servers' worth of them only get in each other's way.
JOBS ?= 2

# Further arguments of pytest, for example: make test ARGS='tests/config -x'
ARGS ?=

help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

demo: venv-demo ## plan, apply, a change, plan, apply, rollback: the sample shop on a private PostgreSQL
	@$(BIN)/python examples/demo.py

test: venv ## run the tests (JOBS=2 processes; ARGS='...' go to pytest)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope $(ARGS)

fuzz: venv ## run the tests that make up their own input, with 1,000 new examples each
	@HYPOTHESIS_PROFILE=fuzz $(BIN)/python -m pytest -q tests/config/test_dsn.py tests/config/test_redaction.py tests/postgres/test_lexer.py tests/routing/test_positions.py tests/routing/test_ring.py tests/render

snapshots: venv ## write the snapshots of the formats anew (tests/render/snapshots): read the difference before you commit it
	@RENEW_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests/render/test_snapshots.py

survival: venv ## kill 200 deployers, cut 60 short, start three at once 40 times (ERM_SURVIVAL_ROUNDS=200 ERM_SURVIVAL_SEED=1)
	@ERM_SURVIVAL_ROUNDS=$${ERM_SURVIVAL_ROUNDS:-200} $(BIN)/python -m pytest -q -n $(JOBS) --dist load tests/survival

patroni: venv ## switch a real Patroni cluster of three over, kill and freeze its leader, under load (ARGS='--rounds 3'; 2 minutes each)
	@$(BIN)/python -m tests.patroni $(ARGS)

chaos: venv ## load a cluster for 60 s while its servers are killed, frozen, promoted, cut off (ERM_CHAOS_SECONDS=60 ERM_CHAOS_SEED=1)
	@ERM_CHAOS_SECONDS=$${ERM_CHAOS_SECONDS:-60} $(BIN)/python -m pytest -q -s tests/chaos/test_chaos.py

e2e: venv ## rehearse a release: standbys, PgBouncer, OpenBao, a service in use (ERM_E2E_ROWS=1000000 ARGS='--story FILE')
	@$(BIN)/python -m tests.e2e $(ARGS)

pictures: venv ## take the pictures of docs/pictures anew, of real runs (needs Chromium; a minute)
	@$(BIN)/python -m tests.pictures

docs: venv ## build the documentation into .site/out, with strict links, and walk through its ten-minute start (a minute)
	@$(BIN)/python -m tests.docs.site
	@WALK_THE_DOCS=1 $(BIN)/python -m pytest -q tests/docs/test_site.py tests/docs/test_start.py tests/docs/test_patterns.py

lint: venv ## ruff: rules and format
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .

format: venv ## ruff: put the format right
	@$(BIN)/python -m ruff format .
	@$(BIN)/python -m ruff check --fix .

types: venv ## mypy, strict
	@$(BIN)/python -m mypy

contracts: venv ## import-linter: the layers of docs/architecture.md
	@$(BIN)/lint-imports

check: lint types contracts ## lint, types and contracts

build: venv ## build the sdist and the wheel into dist/
	@rm -rf dist
	@$(BIN)/python -m build --outdir dist .

bench: venv ## compare erm with plain Alembic, in one table (ARGS='--growth --write' goes to python -m benchmarks)
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove what the other commands have made (.venv too), and nothing else
	rm -rf .venv .site dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find erm_alembic tests examples benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@sh .ci/set-up dev

venv-demo:
	@sh .ci/set-up embedded
