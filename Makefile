# `make demo` and `make test` need only Python >= 3.11 with pip, gcc/g++ and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test test-slow test-data test-peers bench docs lint develop clean

help:
	@echo "make demo       install and run the main job on a simulated sample"
	@echo "make test       install and run the tests"
	@echo "make test-slow  the long statistical tests"
	@echo "make test-data DATA=folder  the tests on real inputs"
	@echo "make bench      accuracy and speed beside the peer packages"
	@echo "make lint       ruff, mypy, clang-format"
	@echo "make develop    compile in place for work on the sources"

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# every target reinstalls: the build is a few seconds when nothing changed
.PHONY: install install-test
install: $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade ".[all]"
install-test: $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade ".[test]"

demo: install
	$(BIN)/python -m clmassmod demo

test: install-test
	$(BIN)/python -m pytest -m "not slow and not data and not peers" tests

test-slow: install-test
	$(BIN)/python -m pytest -m slow tests

test-data: install-test
	@test -n "$(DATA)" || { echo "say where the inputs are: make test-data DATA=folder"; exit 2; }
	$(BIN)/python -m pytest -m data --data-dir "$(DATA)" tests

develop: $(BIN)/python
	$(BIN)/python -m pip install --quiet "meson>=1.4" "meson-python>=0.17" ninja "Cython>=3.1" \
	  numpy scipy astropy h5py emcee tqdm matplotlib corner iminuit nautilus-sampler \
	  pytest hypothesis mpmath ruff mypy clang-format
	tools/develop.sh $(BIN)

lint:
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror src/_core/include/clmassmod/*.hpp src/_core/include/clmassmod/*/*.hpp

clean:
	rm -rf build builddir $(VENV)
