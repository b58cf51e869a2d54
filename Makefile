# make run    builds everything and serves the Flask example on 127.0.0.1:8000 with 4 workers
# make test   sets up what the tests need and runs them all
# make bench  measures gunicorn-rs and its peers side by side
#
# Needs Rust, a C linker and Python 3.11 or newer; PYTHON= names another interpreter.

PYTHON ?= python3
CARGO ?= cargo
JOBS ?= 4
VENVS := target/venv

TEST_REQUIREMENTS := pytest pytest-xdist pytest-timeout gunicorn==27.0.1 flask 'django<6'
RUN_REQUIREMENTS := flask

# One interpreter for every build, whichever environment is active: else each switch would build the extension anew.
export PYO3_PYTHON := $(shell $(PYTHON) -c 'import sys; print(sys.executable)')

.PHONY: build run test lint test-rust test-wheel test-python test-venv bench

build:
	$(CARGO) build --release

run: build
	$(PYTHON) tools/make_venv.py $(VENVS)/run $(RUN_REQUIREMENTS)
	exec env VIRTUAL_ENV=$(abspath $(VENVS)/run) target/release/gunicorn-rs app:app --workers 4 \
	    --bind 127.0.0.1:8000 --chdir examples/flask

# One after another: they share the cores, and the tests' own summary comes last.
.NOTPARALLEL:

test: build lint test-rust test-wheel test-python

# The two components are not part of a minimal toolchain.
lint:
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --all --check; \
	    else echo 'skipped: cargo fmt is not installed'; fi
	@if $(CARGO) clippy --version >/dev/null 2>&1; then $(CARGO) clippy --workspace --all-targets -- -D warnings; \
	    else echo 'skipped: cargo clippy is not installed'; fi

test-rust:
	$(CARGO) test --workspace

test-venv:
	$(PYTHON) tools/make_venv.py $(VENVS)/test $(TEST_REQUIREMENTS)

test-wheel: test-venv
	PYTHONDONTWRITEBYTECODE=1 $(VENVS)/test/bin/python -m pytest tests/package

test-python: build test-venv
	PYTHONDONTWRITEBYTECODE=1 $(VENVS)/test/bin/python -m pytest --numprocesses $(JOBS)

bench: build
	$(PYTHON) benches/peers/run.py
