# A machine with make and a Python >= 3.12 needs no more: everything else is fetched and checked against uv.lock and deploy/kafka/jars.lock.
# Set-up is repeated only when one of these changes.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup chromium demo up test test-all simulate check bench interop interop-promtool interop-histories interop-proofs clean

# A test starts hundreds of Pythons: each would compile what it imports anew.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
STAMP := $(VENV)/.set-up
UV_VERSION := 0.13.9
RUN := $(VENV)/bin/python -m
RESERVE := $(RUN) reserve
# Two workers, since a test waits for its engines half of the time: tests/conftest.py says who runs what. One that dies is not replaced: xdist
# would give the test that killed it to the next.
TWO := -n 2 --max-worker-restart=0
# Tools that Go builds, once for all checkouts of this user; the name says of which sources.
CACHE := $(or $(RESERVE_CACHE),$(HOME)/.cache/reserve)
PROMTOOL = $(CACHE)/promtool-$(firstword $(shell cksum < tests/interop/promtool/go.sum))
HISTORIES = $(CACHE)/histories-$(firstword $(shell cat tests/interop/histories/go.sum tests/interop/histories/*.go | cksum))
PROOFS = $(CACHE)/proofs-$(firstword $(shell cat tests/interop/proofs/go.sum tests/interop/proofs/*.go | cksum))

help: ## what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## everything that the other targets need

# A name may be there and not run (pyenv's shims), or be too old; the first that runs and is new enough is taken.
$(STAMP): pyproject.toml clients/python/pyproject.toml uv.lock deploy/kafka/jars.lock
	@set -e; \
	for candidate in python3.13 python3.12 python3; do \
	  if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$$candidate; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "Reserve needs Python 3.12 or newer" >&2; exit 1; fi; \
	if ! $(VENV)/bin/python -c '' 2>/dev/null; then echo "making $(VENV) with $$($$python --version)"; $$python -m venv --clear $(VENV); fi
	@$(VENV)/bin/python -c 'import uv' 2>/dev/null || $(RUN) pip install --quiet uv==$(UV_VERSION)
	@$(VENV)/bin/uv sync --frozen --inexact --quiet --no-python-downloads --compile-bytecode --python $(VENV)/bin/python
	@$(RUN) shared.engines.kafka_jars
	@touch $@

chromium: setup # the browser that tests drive: Debian's is installed where that is allowed, or it is said how
	@$(RUN) reserve.report.chromium

demo: setup ## 6 January 2026, from the first request to the last receipt
	@$(RESERVE) demo

up: setup ## keep serving; the data is in .reserve/. SEED=demo: with partners, people, agreements and stock, once
	@$(RESERVE) up --data .reserve $(if $(SEED),--seed $(SEED))

test: check chromium ## checks, then the tests that do not take long
	@$(RUN) pytest $(TWO) -m "not long"

test-all: check chromium ## checks, then every test, with two hundred simulated histories, and other people's tools: needs Go
	@$(RUN) pytest $(TWO)
	@$(MAKE) --no-print-directory interop

SEEDS ?= 200
simulate: setup ## the kernel on simulated engines, in virtual time: SEEDS=n runs, or the one of SEED=n
	@$(RUN) tests.simulation --seeds $(SEEDS) $(if $(SEED),--seed $(SEED)) $(if $(BROKEN),--broken "$(BROKEN)")

check: setup ## style, types, who may import whom, and that each command says who may give it
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy --strict -p services -p shared -p reserve -p bench -p reserve_partner
	@$(VENV)/bin/lint-imports
	@$(RUN) reserve.controls > /dev/null
	@$(RUN) reserve.free_text > /dev/null
	@$(RUN) reserve.statements > /dev/null
	@$(RUN) reserve.settings > /dev/null

bench: setup ## how fast it is: a line of JSON a figure, then the targets that were missed; ONLY=name for one bench
	@$(RESERVE) bench $(ONLY)

interop: interop-promtool interop-histories interop-proofs ## checks with other people's tools; needs Go

interop-promtool: $(PROMTOOL) # the alert rules, and what each of them says of a history
	@$(PROMTOOL) check config deploy/observability/prometheus.yml
	@$(PROMTOOL) check rules --lint=all --lint-fatal deploy/observability/alerts.yml
	@$(PROMTOOL) test rules tests/interop/promtool/alerts.test.yml

interop-histories: setup $(HISTORIES) # draws, lapses and cancels through kills of their process: is it one thing after another, seen from outside?
	@$(HISTORIES) tests/interop/histories/sound.jsonl
	@$(HISTORIES) -rejects tests/interop/histories/broken/*.jsonl
	@history=$$(mktemp --suffix=.jsonl) && $(RUN) tests.interop.histories.record $$history \
	  && $(HISTORIES) $$history && rm $$history

interop-proofs: setup $(PROOFS) # receipts, checkpoints, logs and witnesses before Torchwood, Tessera and Go's note package
	@$(RUN) tests.interop.proofs $(PROOFS) $(PROOFS)-litewitness

$(PROMTOOL):
	@cd tests/interop/promtool && go build -mod=readonly -tags remove_all_sd -ldflags '-s -w' -o $@ github.com/prometheus/prometheus/cmd/promtool

$(HISTORIES):
	@cd tests/interop/histories && go build -mod=readonly -ldflags '-s -w' -o $@ .

$(PROOFS): # Torchwood needs a later Go than others do
	@cd tests/interop/proofs && export GOTOOLCHAIN=go1.27.0 && \
	  go build -mod=readonly -ldflags '-s -w' -o $@-litewitness filippo.io/torchwood/cmd/litewitness && \
	  go build -mod=readonly -ldflags '-s -w' -o $@ .

clean: ## removes what set-up made here, not the data in .reserve/ nor the caches of this user
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .schemathesis
