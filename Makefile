# One entry for everything that a person or a CI job does with this repository. `make` alone lists it.
SHELL := bash
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TEST_TOOLS := $(VENV)/.test-tools
NODE_PARTS := scripts/docs/node/node_modules/.package-lock.json
OPERATOR_TYPES := scripts/deploy/node/node_modules/.package-lock.json
DEPLOY_TOOLS := .venv-checkov
.DEFAULT_GOAL := help
.PHONY: help install demo test faults simulate mutants test-containers test-model compose-secrets check check-deploy check-docs node-parts format bench bench-quick bench-peers docs lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## make .venv and get what is missing; without root or sudo it says what to run

$(INSTALLED): requirements/dev.txt scripts/install
	@scripts/install $(VENV)
	@touch $@

demo: $(INSTALLED) ## run the example from notes to verified result, on this machine
	$(BIN)/taskgrove run --notes examples/release-audit --approve-as demo

$(TEST_TOOLS): $(INSTALLED) scripts/install-test-tools
	@scripts/install-test-tools
	@touch $@

test: $(INSTALLED) $(TEST_TOOLS) ## all tests, with real MongoDB, RabbitMQ, Prometheus and a real browser
	$(BIN)/python -m pytest -m "not bench and not containers and not model"

SCHEDULES ?= 20000
SWEEP ?= both
simulate: $(INSTALLED) ## 20 000 seeded fault schedules of all services in virtual time; SEED=… replays one with its timeline
	$(BIN)/python -m tests.simulation --jobs 2 --sweep $(SWEEP) $(if $(SEED),--seed $(SEED) $(if $(KEEP),--keep $(KEEP)) --logs,--schedules $(SCHEDULES))

mutants: $(INSTALLED) ## mistakes made in copies of the code, which the simulation must find; prints the score
	$(BIN)/python -m tests.simulation.mutants

test-containers: $(INSTALLED) ## build the images, bring docker-compose.yml up, kill containers; needs a Docker engine
	$(BIN)/python -m pytest -m containers -s tests/containers

test-model: $(INSTALLED) ## a prompt by a real model to a verified end: TASKGROVE_MODEL_BASE_URL, or TASKGROVE_LOCAL_MODEL
	$(BIN)/python -m pytest -m model -s tests/model

compose-secrets: ## random keys and passwords for docker-compose.yml, a user for each service, in secrets/
	@scripts/compose-secrets

faults: $(INSTALLED) ## kill, freeze and cut real processes and say what was lost: SCENARIO=name for one, KILLS=2000 for the long run
	$(BIN)/python -m tests.faults $(SCENARIO) $(if $(KILLS),--kills $(KILLS)) $(if $(JSON),--json $(JSON))

check: $(INSTALLED) ## lint, format, types, and who may import whom
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict services shared taskgrove benchmarks
	$(BIN)/lint-imports

# checkov wants versions of its own, so it has its own environment.
$(DEPLOY_TOOLS)/.installed: requirements/checkov.txt $(INSTALLED)
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(DEPLOY_TOOLS)
	@$(BIN)/uv pip install --quiet --python $(DEPLOY_TOOLS)/bin/python --require-hashes -r requirements/checkov.txt
	@touch $@

check-deploy: $(DEPLOY_TOOLS)/.installed $(OPERATOR_TYPES) ## judge the manifests and the Dockerfile: do they fit the code, schemas of nine Kubernetes versions, checkov
	$(BIN)/python -m pytest -q tests/deploy
	@$(BIN)/python scripts/check_deploy.py $(DEPLOY_TOOLS)

format: $(INSTALLED) ## write the format that `make check` asks for
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(INSTALLED) ## measure all that docs/benchmarks.md tells, and write it anew; peers that are installed as well; ONLY=fan,chain for some
	$(BIN)/python -m benchmarks --peers --write $(if $(ONLY),--only $(ONLY))

bench-peers: $(INSTALLED) ## install the other systems that make bench measures beside ours, each in an environment of its own
	$(BIN)/python -m benchmarks.peers install

bench-quick: $(INSTALLED) ## a fan and a chain beside the delivery design without the product; fails below GUARD of its fan, 0.35 unless told
	$(BIN)/python -m benchmarks --quick --only fan,chain --guard $(or $(GUARD),0.35)

docs: $(INSTALLED) ## write the generated reference, .env.example and the Grafana dashboard anew
	$(BIN)/python scripts/generate_docs.py
	$(BIN)/python scripts/generate_dashboards.py

check-docs: $(INSTALLED) $(NODE_PARTS) ## validate the AsyncAPI and OpenAPI documents (with node), the alert rules and the dashboard
	$(BIN)/python -m pytest -q tests/house/test_generated.py tests/house/test_documents.py tests/house/test_observability.py

node-parts: $(NODE_PARTS)

scripts/%/node/node_modules/.package-lock.json: scripts/%/node/package-lock.json
	npm ci --prefix scripts/$*/node --ignore-scripts --no-audit --no-fund
	@touch $@

LOCKED := --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --quiet
EXTRAS := planner sequencer executor checker approvals local dev
lock: $(INSTALLED) ## lock the dependencies of pyproject.toml anew, one file an extra
	for extra in $(EXTRAS); do $(BIN)/uv pip compile pyproject.toml --extra $$extra $(LOCKED) -o requirements/$$extra.txt; done
	$(BIN)/uv pip compile --group build $(LOCKED) -o requirements/build.txt
	$(BIN)/uv pip compile requirements/checkov.in $(LOCKED) -o requirements/checkov.txt
	for peer in benchmarks/peers/*.in; do $(BIN)/uv pip compile $$peer $(LOCKED) -o $${peer%.in}.txt; done

clean: ## remove caches and build products (not .venv, not your data)
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis *.egg-info
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
