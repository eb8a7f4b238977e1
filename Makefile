# `make demo` and `make test` need only Python >= 3.11 with pip, gcc/g++ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
VENV_BENCH ?= .venv-bench
BENCH_PIP := $(VENV_BENCH)/bin/python -m pip install --quiet
PIP := $(BIN)/python -m pip install --quiet
LEVELS := $(if $(filter x86_64,$(shell uname -m)),bits_baseline bits_plain bits_v3 bits_v4)
# a process for each core; files stay whole, for what their tests share
PARALLEL := -n auto --dist loadfile
FAST := not slow and not data and not peers
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install install-test install-dev install-bench \
        demo test test-slow test-data test-peers bench docs lint sanitize develop clean

help:
	@echo "make demo       install, and run the main job on a simulated sample"
	@echo "make test       install, and run the tests (not the slow ones)"
	@echo "make test-slow  the long statistical tests"
	@echo "make test-data DATA=folder   the tests on real inputs"
	@echo "make test-peers comparisons with other packages"
	@echo "make bench      accuracy and speed beside the peer packages"
	@echo "make docs       generate the reference of the configuration and check the pages"
	@echo "make lint       ruff, mypy, clang-format"
	@echo "make sanitize   the C++ tests under ASan and UBSan"
	@echo "make develop    compile in place, to work on the sources"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip

# the package is installed anew each time: a few seconds when nothing changed
install: $(BIN)/python
	$(PIP) ".[all]"
	$(PIP) --force-reinstall --no-deps .
install-test: $(BIN)/python
	$(PIP) ".[test]"
	$(PIP) --force-reinstall --no-deps .
install-dev: $(BIN)/python
	$(PIP) ".[dev]" "meson>=1.4" "meson-python>=0.17" ninja "Cython>=3.1"
# the peers have pins of their own, so they get an environment of their own; build tools come
# first so that the wheel is timed without downloads; a peer that does not install is skipped
install-bench:
	$(PYTHON) -m venv $(VENV_BENCH)
	$(BENCH_PIP) --upgrade pip
	$(BENCH_PIP) ".[test]" meson meson-python ninja Cython
	$(BENCH_PIP) --force-reinstall --no-deps .
	-$(BENCH_PIP) -r bench/requirements.txt

demo: install
	$(BIN)/python -m clmassmod demo

test: install-test
	$(BIN)/python -m pytest $(PARALLEL) -m "$(FAST)" tests

test-slow: install-test
	$(BIN)/python -m pytest $(PARALLEL) -m slow tests

test-data: install-test
	@test -n "$(DATA)" || { echo "say where the inputs are: make test-data DATA=folder"; exit 2; }
	$(BIN)/python -m pytest -m data -s --data-dir "$(DATA)" tests

test-peers: install-bench
	$(VENV_BENCH)/bin/python -m pytest -m peers tests

bench: install-bench
	$(VENV_BENCH)/bin/python -m bench $(BENCH)

docs: install-test
	$(BIN)/python docs/generate.py
	$(BIN)/python -m pytest -q tests/unit/test_documentation.py

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	find src tests/cpp -name '*.hpp' -o -name '*.cpp' | xargs $(BIN)/clang-format --dry-run --Werror

# the C++ tests twice: under sanitizers, and optimised, compared bit for bit between levels
sanitize: install-dev
	rm -rf build/sanitize build/levels
	PATH="$(CURDIR)/$(BIN):$$PATH" meson setup build/sanitize -Dcore_tests=true -Dbuildtype=debug \
	  -Db_sanitize=address,undefined -Db_lundef=false
	PATH="$(CURDIR)/$(BIN):$$PATH" meson compile -C build/sanitize core_tests lens_tests table_tests kernel_tests selection_tests pair_tests miscentring_tests ensemble_tests
	PATH="$(CURDIR)/$(BIN):$$PATH" meson test -C build/sanitize --no-rebuild --print-errorlogs
	PATH="$(CURDIR)/$(BIN):$$PATH" meson setup build/levels -Dcore_tests=true
	PATH="$(CURDIR)/$(BIN):$$PATH" meson compile -C build/levels core_tests lens_tests table_tests kernel_tests selection_tests pair_tests miscentring_tests ensemble_tests $(LEVELS)
	PATH="$(CURDIR)/$(BIN):$$PATH" meson test -C build/levels --no-rebuild --print-errorlogs

develop: install-test install-dev
	tools/develop.sh $(BIN)

clean:
	rm -rf build builddir $(VENV) $(VENV_BENCH) src/clmassmod/_core/*.so
