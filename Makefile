# Every target installs what it needs. `make` alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
SOURCES := bento_service operator tests tools bench examples
UNIT := tests/unit
DEMO := $(if $(DEMO_CLUSTER),--cluster $(DEMO_CLUSTER))
export PYTHONPATH := bento_service:operator:tests/cluster:.

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 22

setup: $(VENV)/.installed ## the virtual environment, from pinned requirements

$(VENV)/.installed: requirements/dev.txt requirements/uv.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 is needed: apt-get install python3.11 python3-venv, or PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends python3-venv; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	VIRTUAL_ENV=$(abspath $(VENV)) $(VENV)/bin/uv pip install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

demo: setup ## cluster, Label Studio, operator and a backend that retrains before your eyes (ONCE=1: end by itself)
	$(PY) -m tools.demo $(DEMO) up $(if $(ONCE),--once)

demo-down: setup ## remove what `make demo` started
	$(PY) -m tools.demo $(DEMO) down

image: setup ## the backend's base Bento image and the operator's image (BASE_IMAGE=... for another base)
	$(PY) -m tools.build_images backend operator

image-label-studio: setup ## Label Studio as an image, for tests and demo
	$(PY) -m tools.build_images label-studio

lint: setup ## ruff, vocabulary, import rules, types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(PY) -m tools.vocabulary
	$(VENV)/bin/lint-imports --no-cache
	$(VENV)/bin/mypy

unit: unit-operator unit-library

unit-operator: setup
	$(PY) -m pytest -q $(UNIT)/operator

unit-library: setup
	$(PY) -m pytest -q $(UNIT) --ignore $(UNIT)/operator

check: setup ## the inner loop: lint, types, unit tests and fakes, on two cores
	$(MAKE) --jobs 2 --output-sync=target unit lint

test: setup ## everything, on a real cluster with a real Label Studio; prints its ten slowest parts
	$(PY) -m tools.test_run

bench: setup ## every measurement of bench/ (PEER_CHECKOUT=... for label-studio-ml; DATA=... for texts of your own); see docs/benchmarks/README.md
	$(PY) -m bench

fuzz: setup ## hostile requests, configurations, answers and files in full number; docs/internals/fuzzing.md
	$(PY) -m tests.fuzz

bench-loop: setup ## ten rounds from the Nth annotation to the new version answering; writes docs/benchmarks
	$(PY) -m bench.loop

bench-scale: setup ## ten to a thousand resources on a real API server; writes docs/benchmarks
	$(PY) -m bench.scale --sizes 10 100 300 1000

soak: setup ## roll-outs and roll-backs on the real cluster while predictions go on; writes docs/benchmarks
	$(PY) -m bench.soak

requirements: setup ## pin requirements anew from pyproject.toml
	$(PY) -m tools.pin_requirements

clean: ## remove what was built in the checkout
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .pytest-kind
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

.PHONY: help setup demo demo-down image image-label-studio lint unit unit-operator unit-library check test bench fuzz bench-loop bench-scale soak requirements clean
