# CryptoSatX: everything a person or CI runs. `make` alone lists it.
# It needs Python >= 3.11, make and a package registry; nothing else.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
STAMP := $(VENV)/.ready
UP ?=
BREADTH ?=
CHAOS ?=
CAUSALITY ?=
BENCH ?=
BENCH_ALERTS ?=
BENCH_GATEWAY ?=
SOAK ?=
TESTS ?= tests
FUZZ ?=
API ?= 300
EXPLORE ?= 5

.PHONY: help setup run test explore api contracts fuzz check format picture chats doctor bench breadth soak chaos messages causality charts definitions clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: $(STAMP) ## Install everything into .venv (at once when nothing changed)

$(STAMP): uv.lock pyproject.toml
	@python=""; \
	for name in "$${PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do \
	  if [ -n "$$name" ] && "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python="$$name"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "Python 3.11 or newer is needed and not on the PATH: install it, or run make PYTHON=/path/to/python3" >&2; exit 3; \
	fi; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  rm -rf $(VENV) && "$$python" -m venv $(VENV) || { echo "$$python cannot make a venv: install its venv package (Debian: python3-venv)" >&2; exit 3; }; \
	fi; \
	if ! $(UV) --version >/dev/null 2>&1; then \
	  $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip --upgrade >/dev/null; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 5 'uv>=0.9,<0.14'; \
	fi
	@echo "installing into $(VENV) ..."
	@UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON=$(BIN)/python UV_HTTP_TIMEOUT=180 $(UV) sync --frozen --all-extras --inexact --quiet
	@touch $@

run: setup ## Run the whole system on a simulated market (UP="--port 9000" for options of csx up)
	@exec $(BIN)/csx up $(UP)

picture: setup ## Take the pictures of the README: runs the system, photographs the page
	@$(BIN)/python -m deploy.local.picture

chats: setup ## Take the pictures of docs/howto-alerts.md: a new subscriber's chat with the real service and a fake Telegram
	@$(BIN)/python -m deploy.local.chat_pictures

doctor: setup ## Say what is reachable, configured, missing on this machine
	@$(BIN)/csx doctor

check: setup ## Formatting, lint, types, import contracts, the compose file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .yamllint.yml .pre-commit-config.yaml docker-compose.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

test: setup ## Every test by two workers, with the coverage it must reach (TESTS=tests/libs for a part, without the gates)
	@rm -f .coverage .coverage.*
ifeq ($(TESTS),tests)
	$(BIN)/coverage run -m pytest -n 2 $(TESTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/python -m tests.coverage_gates
else
	$(BIN)/pytest $(TESTS)
endif

explore: setup ## The properties with new examples, round after round, until one fails (EXPLORE=5 rounds)
	@for round in $$(seq 1 $(EXPLORE)); do \
	  echo "round $$round of $(EXPLORE)"; CSX_EXPLORE=1 $(BIN)/pytest -q -n 2 -m hypothesis $(TESTS) || exit 1; \
	done

fuzz: setup ## Hostile input to every parser, ten minutes of CPU each (FUZZ="okx --cpu-s 60" for one)
	@UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON=$(BIN)/python $(UV) sync --frozen --all-extras --inexact --group fuzz --quiet
	$(BIN)/python -m tests.fuzz.parsers $(FUZZ)

api: setup ## Schemathesis with all its checks over the served API: five minutes as nobody, as a reader, as an administrator (API=60)
	CSX_API_SECONDS=$(API) $(BIN)/pytest tests/services/gateway/conformance

contracts: setup ## Write the documents of the API anew into docs/contracts, unless they break a promise of those there
	@$(BIN)/csx gateway contracts docs/contracts

bench: setup ## Speed, as ratios against limits and peers (needs ../shared/data; BENCH="--runs 3" BENCH_GATEWAY="--parts b")
	@UV_PROJECT_ENVIRONMENT=$(VENV) UV_PYTHON=$(BIN)/python $(UV) sync --frozen --all-extras --inexact --group bench --quiet
	@$(BIN)/python -m tests.bench.engine $(BENCH)
	@$(BIN)/python -m tests.bench.alerts $(BENCH_ALERTS)
	@$(BIN)/python -m tests.bench.gateway $(BENCH_GATEWAY)

soak: setup ## Ten minutes of overload, cut connections and an absent broker over recorded sessions (needs ../shared/data; SOAK="--minutes 2")
	$(BIN)/python -m deploy.proving.soak $(SOAK)

causality: setup ## Cut and poison the recorded BTC sessions at 300 moments (needs ../shared/data); minutes
	@$(BIN)/python -m deploy.proving.causality $(CAUSALITY)

charts: setup ## Draw one picture of each smart-money structure, from the simulated market
	@$(BIN)/python -m deploy.local.structure_charts

definitions: setup ## Count three definitions of smart-money structures on the same bars (needs ../shared/data)
	@$(BIN)/python -m deploy.proving.definitions

chaos: setup ## Kill the signals worker a hundred times and share its markets, over Apache Kafka (CHAOS="--kills 10"); about fifteen minutes
	@$(BIN)/python -m deploy.proving.interruptions $(CHAOS)

messages: setup ## Ten thousand alerts to a strict fake Telegram, their sender killed fifty times (MESSAGES="--long-wait 60"); half an hour
	@$(BIN)/python -m deploy.proving.messages $(MESSAGES)

breadth: setup ## 65 markets over four venues on one core: no lag growth (BREADTH="--for 60s"); about six minutes
	@$(BIN)/python -m deploy.proving.breadth $(BREADTH)

format: setup ## Format the code and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove what tools left, but not .venv and not .csx
	rm -rf .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .fuzz build dist
