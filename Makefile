# Copyright: (c) 2026, Quetrex
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.ONESHELL:

root := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
bin := $(root)/.venv/bin
# The lab's own tools (nginx, ip, nft) live in sbin, which is not on every user's PATH.
export PATH := $(bin):$(PATH):/usr/sbin:/sbin
export PYTHONPATH := $(root)/tests
# see tools/test
unexport PYTHONDONTWRITEBYTECODE

ARGS ?=

.PHONY: help
help: ## this list
	@echo "make <target> [ARGS=...]"
	grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-10s %s\n", $$1, $$2 }'

.PHONY: site
site: bootstrap ## from nothing to the platform in a local cloud: packages, lab, playbook, address (ARGS go to ansible-playbook)
	@cd $(root) && tools/site $(ARGS)

.PHONY: test
test: bootstrap ## every gate and every test, as .ci/run does
	@cd $(root) && tools/test $(ARGS)

.PHONY: check
check: venv ## before every commit: formatters, linters, types, contract, and the unit tests that need no service
	@cd $(root) && tools/check $(ARGS)

.PHONY: soak
soak: bootstrap ## the long tests that make test leaves out, hours (ARGS go to pytest)
	@cd $(root) && TEST_STORIES=long TEST_COLD=1 tools/test $(ARGS)

.PHONY: lab-up
lab-up: bootstrap ## start the local cloud only
	@cd $(root)/tests && python -m lab up $(ARGS)

.PHONY: lab-down
lab-down: venv ## stop the local cloud and leave nothing behind
	@cd $(root)/tests && python -m lab down $(ARGS)

.PHONY: status
status: venv ## what runs in the local cloud
	@cd $(root)/tests && python -m lab status $(ARGS)

.PHONY: lint
lint: venv ## formatters, linters, types and documentation checks (a minute or two; one that has nothing new to look at is skipped)
	@cd $(root) && python -m pytest tests/gates -m "lint" $(ARGS)

.PHONY: unit
unit: venv ## all unit and contract tests, also those with PostgreSQL, a browser or playbook runs (minutes)
	@cd $(root) && python -m pytest -n "$${TEST_LANES:-2}" --dist loadscope --no-loadscope-reorder -q -m "not long" tests/unit tests/contract $(ARGS)

.PHONY: molecule
molecule: bootstrap ## the molecule scenarios, each in a lab of its own (ARGS: a scenario's name)
	@cd $(root) && tools/molecule $(ARGS)

.PHONY: docs
docs: venv ## the documentation site, in dist/docs
	@cd $(root) && rm -rf dist/docs && python tools/docs/build.py dist/docs && echo "dist/docs/index.html"

.PHONY: bench
bench: bootstrap ## measure, hours for all; each in a lab of its own, results in tests/bench/results (ARGS: names of benches; docs/bench.md)
	@cd $(root)
	for name in $(if $(ARGS),$(ARGS),$(notdir $(basename $(wildcard $(root)/tests/bench/*.py)))); do
		began=$$SECONDS
		python tests/bench/$$name.py
		echo "$$name: $$((SECONDS - began)) s"
	done

.PHONY: release
release: venv ## write the changelog of galaxy.yml's version from the fragments, which go
	@cd $(root) && tools/release $(ARGS)

.PHONY: lock
lock: ## write requirements-dev.txt again from requirements-dev.in (ARGS=--upgrade for newer versions)
	@cd $(root) && .cache/uv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-annotate $(ARGS) requirements-dev.in -o requirements-dev.txt

.PHONY: bootstrap
bootstrap: ## system packages, .venv and collections; nothing when up to date
	@$(root)/tools/bootstrap

.PHONY: venv
venv: ## only .venv and the collections
	@$(root)/tools/bootstrap venv

.PHONY: clean
clean: ## stop the lab; remove everything that was made here except caches in the home folder
	@cd $(root)
	if [ -x $(bin)/python ] && [ -d tests/lab ]; then (cd tests && python -m lab down) || true; fi
	rm -rf .lab .cache .venv .venv-* dist tests/output .pytest_cache .mypy_cache .ruff_cache .ansible
