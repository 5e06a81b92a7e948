# Two commands: `make repro` runs the pipeline, `make test` the tests. `make help` lists the rest.
SHELL := /bin/sh
.DEFAULT_GOAL := help

# No tool reports home; no Python is downloaded; compiled files are kept (imports are three times slower without).
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export MLFLOW_DISABLE_TELEMETRY := true
export BENTOML_DO_NOT_TRACK := True
export GX_ANALYTICS_ENABLED := false
export RAY_USAGE_STATS_ENABLED := 0
export TF_CPP_MIN_LOG_LEVEL := 3
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
export BENTOML_HOME := $(CURDIR)/.bentoml
unexport PYTHONDONTWRITEBYTECODE
unexport MLFLOW_RUN_ID
unexport VIRTUAL_ENV

BIN := $(CURDIR)/.venv/bin
export PATH := $(BIN):$(PATH)
STAMP := .venv/.musicgenre-synced

.PHONY: help env repro test test-all lint format ui serve summary container bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

env: $(STAMP) ## Create or update the environment from uv.lock

$(STAMP): pyproject.toml uv.lock
	@uv=$$(sh scripts/ensure-uv.sh) && "$$uv" sync --frozen --extra train --quiet
	@$(BIN)/python -m compileall -q src
	@touch $@

repro: env ## Run the pipeline: audio to a served champion
	@$(BIN)/dvc repro

test: env ## Lint, types and the fast tests
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/mypy
	@$(BIN)/pytest -n 2 --dist loadfile

test-all: env ## Every test, the long ones too
	@$(BIN)/pytest -n 2 --dist loadfile -m ""

lint: env ## ruff and mypy alone
	@$(BIN)/ruff check src tests benchmarks
	@$(BIN)/mypy

format: env ## Let ruff format the code
	@$(BIN)/ruff format src tests benchmarks

summary: env ## What the last run found, and what to try next
	@$(BIN)/musicgenre summary

ui: env ## Open the MLflow UI on the embedded store
	@$(BIN)/musicgenre ui

serve: env ## Serve the champion over HTTP
	@$(BIN)/musicgenre serve

container: env ## Build an image of the service with Docker, Podman or Buildah
	@sh scripts/container.sh

bench: env ## Quick form of every benchmark
	@for name in features manifest fingerprint training search serving; do \
		echo "== $$name"; $(BIN)/python benchmarks/$$name.py --quick || exit 1; done

clean: ## Remove what a run made (the environment and the DVC cache stay)
	@rm -rf .musicgenre .bentoml mlflow.db* mlartifacts data/demo data/features data/embeddings data/*.parquet data/quarantine.csv reports/* models/* dvc.lock
