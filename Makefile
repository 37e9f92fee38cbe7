# Everything runs in a virtual environment that the first target makes; only Python and make are
# needed beforehand. Variables: PYTHON (what the environment is made with), VENV (where it lies),
# JOBS (processes of the tests), ARGS (handed on by `make test`, `make calibrate`, `make mutants`,
# `make bench`).

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
ARGS ?=

BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
REQUIREMENTS := pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)

# Tests start the command many times: it is compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

# Pyright would otherwise ask the network whether there is a newer one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test suite lint style types format docs site calibrate mutants bench wheel sanitize clean

help:  ## List the targets.
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.installed-demo  ## Fit the article's model to the iris data, by Pyro and exactly.
	$(BIN)/mixtura demo

test: style  ## Check style, types and import contracts, and run the tests.
	@$(MAKE) --no-print-directory --jobs 2 types suite

suite: $(VENV)/.installed-test  ## Run the tests alone.
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not calibrate" $(ARGS)

lint: style types  ## Check style, types and import contracts.

style: $(VENV)/.installed-test  ## Check style and import contracts.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(VENV)/.installed-test  ## Check types.
	$(BIN)/pyright --pythonpath $(BIN)/python

format: $(VENV)/.installed-test  ## Rewrite the code in the project's style.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-docs  ## Run every example and build the site into build/docs.
	$(BIN)/python -m pytest -n $(JOBS) -q -k examples tests/unit/test_documentation.py
	@$(MAKE) --no-print-directory site

site: $(VENV)/.installed-docs  ## Build the site alone, where the tests have run the examples.
	rm -rf docs/reference/generated
	$(BIN)/sphinx-build -q -W --keep-going -j $(JOBS) -d build/docs-cache/doctrees docs build/docs
	$(BIN)/python tools/check_site.py build/docs

calibrate: $(VENV)/.installed-test  ## Run the slow statistical tests.
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m calibrate $(ARGS)

mutants: $(VENV)/.installed-test  ## Break sixty lines, one at a time, and see whether the tests notice.
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/mutants.py --jobs $(JOBS) $(ARGS)

bench: $(VENV)/.installed-bench  ## Measure against other packages.
	$(BIN)/python -m benchmarks $(ARGS)

wheel: $(VENV)/.installed-test  ## Build a wheel into dist, and try it where there is no compiler.
	rm -f dist/mixtura-*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	$(BIN)/python tools/try_installation.py dist/mixtura-*.whl

sanitize: $(VENV)/.installed-test  ## Run the native tests under GCC's sanitizers of memory, numbers and threads.
	$(call sanitized,address,address$(comma)undefined$(comma)float-cast-overflow,asan,native or ascent)
	$(call sanitized,thread,thread,tsan,native and thread)

clean:  ## Remove the environment and everything that was built.
	rm -rf docs/project docs/references.rst docs/reference/command.md docs/reference/generated
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find $(wildcard src tests benchmarks examples) -name __pycache__ -type d -prune -exec rm -rf {} +

# A build of the library of its own, and the run-time library of its sanitizer before all others.
# What is left out of "undefined" doubles the time, for pointers that the first sanitizer watches.
# Python keeps memory until its end, and BLAS has threads that no sanitizer knows.
comma := ,
POINTERS := -fno-sanitize=null,object-size,pointer-overflow,alignment
NATIVE_TESTS := tests/unit/test_native_*.py tests/laws/test_ascent_laws.py tests/laws/test_engine_laws.py
define sanitized
cmake -S . -B build/$(1) -DCMAKE_CXX_COMPILER=g++ -DCMAKE_BUILD_TYPE=Sanitize \
	-DCMAKE_CXX_FLAGS="-O1 -g1 -fno-omit-frame-pointer -fsanitize=$(2) $(POINTERS) -fno-sanitize-recover=all"
cmake --build build/$(1) --parallel $(JOBS)
LD_PRELOAD=$$(g++ -print-file-name=lib$(3).so) MIXTURA_NATIVE_LIBRARY=$(CURDIR)/build/$(1)/libmixtura.so \
	ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=ignore_noninstrumented_modules=1 OPENBLAS_NUM_THREADS=1 \
	$(BIN)/python -m pytest -n 0 -k "$(4)" $(NATIVE_TESTS) $(ARGS)
endef

# A stamp stands for what is installed; it is renewed when the requirements change.

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		version=$$($(PYTHON) --version 2>&1) || version="not to be found"; \
		echo "mixtura needs Python 3.11 or later; $(PYTHON) is $$version." \
			"Name another: make PYTHON=python3.12 ..." >&2; \
		exit 1; \
	}
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.installed-demo: $(REQUIREMENTS) | $(VENV)/.made
	@echo "Installing mixtura with PyTorch and Pyro into $(VENV); the first time takes minutes."
	@$(INSTALL) --editable '.[pyro]'
	@touch $@

$(VENV)/.installed-test: $(REQUIREMENTS) | $(VENV)/.made
	@echo "Installing mixtura and its tests' requirements into $(VENV); the first time takes minutes."
	@$(INSTALL) --editable '.[pyro,test]'
	@touch $@ $(VENV)/.installed-demo

$(VENV)/.installed-docs: $(REQUIREMENTS) | $(VENV)/.made
	@echo "Installing mixtura and what builds its site into $(VENV); the first time takes minutes."
	@$(INSTALL) --editable '.[pyro,test,docs]'
	@touch $@ $(VENV)/.installed-test $(VENV)/.installed-demo

$(VENV)/.installed-bench: $(REQUIREMENTS) | $(VENV)/.made
	@echo "Installing mixtura and its benchmarks' requirements into $(VENV)."
	@$(INSTALL) --editable '.[pyro,bench]'
	@touch $@ $(VENV)/.installed-demo
