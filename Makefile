# make run    builds everything and serves the Flask example on 127.0.0.1:8000 with 4 workers
# make test   sets up what the tests need and runs them all
# make autobahn  runs all cases of the Autobahn suite, of which `make test` runs most
# make fuzz   looks for bytes that break the codec, FUZZ_SECONDS for each target
# make bench  measures gunicorn-rs and its peers side by side
#
# Needs Rust, a C linker and Python 3.11 or newer; PYTHON= names another interpreter.

PYTHON ?= python3
CARGO ?= cargo
JOBS ?= 4
VENVS := target/venv

TEST_REQUIREMENTS := pytest pytest-xdist pytest-timeout gunicorn==27.0.1 flask 'django<6' uvloop anyio websockets \
    kosoku==0.1.0 gevent gevent-websocket eventlet flask-sock uvicorn uvicorn-worker aiohttp tornado
RUN_REQUIREMENTS := flask
# Apart from the others, which stay small so. Pytest and its plug-ins are those of the tests.
FRAMEWORK_REQUIREMENTS := pytest pytest-xdist pytest-timeout fastapi starlette 'django<6' quart litestar httpx \
    python-multipart uvloop websockets gunicorn==27.0.1 uvicorn uvicorn-worker

FUZZ_TARGETS ?= head chunked proxy connection reactor ws
FUZZ_SECONDS ?= 60
FUZZ_DIR := target/fuzz
FUZZ_HOST = $(shell rustc -vV | sed -n 's/^host: //p')

# One interpreter for every build, whichever environment is active: else each switch would build the extension anew.
export PYO3_PYTHON := $(shell $(PYTHON) -c 'import sys; print(sys.executable)')

.PHONY: build run test lint test-rust test-wheel test-python test-frameworks test-newer test-venv test-fuzz fuzz fuzz-build \
    fuzz-short bench autobahn

build:
	$(CARGO) build --release

run: build
	$(PYTHON) tools/make_venv.py $(VENVS)/run $(RUN_REQUIREMENTS)
	exec env VIRTUAL_ENV=$(abspath $(VENVS)/run) target/release/gunicorn-rs app:app --workers 4 \
	    --bind 127.0.0.1:8000 --chdir examples/flask

# One after another: they share the cores, and the tests' own summary comes last.
.NOTPARALLEL:

test: build lint test-rust test-fuzz test-wheel test-frameworks test-newer test-python

# The two components are not part of a minimal toolchain.
lint:
	@if $(CARGO) fmt --version >/dev/null 2>&1; then $(CARGO) fmt --all --check \
	    && $(CARGO) fmt --check --manifest-path fuzz/Cargo.toml; \
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
	GUNICORN_TEST_WORKER=gthread PYTHONDONTWRITEBYTECODE=1 $(VENVS)/test/bin/python -m pytest --numprocesses $(JOBS)
	GUNICORN_TEST_WORKER=gevent PYTHONDONTWRITEBYTECODE=1 $(VENVS)/test/bin/python -m pytest --numprocesses $(JOBS)
	PYTHONDONTWRITEBYTECODE=1 $(VENVS)/test/bin/python -m pytest --numprocesses $(JOBS)

test-frameworks: build
	$(PYTHON) tools/make_venv.py $(VENVS)/frameworks $(FRAMEWORK_REQUIREMENTS)
	PYTHONDONTWRITEBYTECODE=1 $(VENVS)/frameworks/bin/python -m pytest --numprocesses $(JOBS) tests/frameworks

# From 3.12 on the first step of an async request is taken at once. A quick build serves: its speed is not tested.
NEWER = $(shell $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
    for python in python3.13 python3.12 $(HOME)/.pyenv/versions/3.1[23].*/bin/python3; do \
    $$python -c 'import sys; print(sys.executable); sys.exit(sys.version_info < (3, 12))' 2>/dev/null && break; done)
NEWER_BUILD = CARGO_TARGET_DIR=target/newer CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_DEBUG=0

test-newer:
	@newer='$(NEWER)'; if [ -z "$$newer" ]; then echo 'skipped: no other Python is here that is 3.12 or newer'; \
	    else $(MAKE) --no-print-directory test-with-newer NEWER="$$newer"; fi

test-with-newer:
	env PYO3_PYTHON=$(NEWER) $(NEWER_BUILD) $(CARGO) build --release
	$(NEWER) tools/make_venv.py $(VENVS)/newer $(TEST_REQUIREMENTS)
	GUNICORN_RS=$(abspath target/newer/release/gunicorn-rs) PYTHONDONTWRITEBYTECODE=1 $(VENVS)/newer/bin/python -m pytest \
	    --numprocesses $(JOBS) tests/process/test_asgi_edges.py

autobahn: build test-venv
	GUNICORN_AUTOBAHN=all PYTHONDONTWRITEBYTECODE=1 $(VENVS)/test/bin/python -m pytest tests/process/test_autobahn.py

# Named as a target even though it is this machine: else build scripts, which have no fuzzer in them, would be
# instrumented too. RUSTFLAGS would take the place of the flags in fuzz/.cargo/config.toml.
fuzz-build:
	cd fuzz && env -u RUSTFLAGS $(CARGO) build --release --target $(FUZZ_HOST)
	mkdir -p fuzz/artifacts $(FUZZ_TARGETS:%=$(FUZZ_DIR)/corpus/%)

FUZZ_RUN = $(FUZZ_DIR)/$(FUZZ_HOST)/release/$$target -dict=fuzz/http.dict -artifact_prefix=fuzz/artifacts/$$target- \
    -max_len=2048 -timeout=10

fuzz: fuzz-build
	set -e; for target in $(FUZZ_TARGETS); do \
	    $(FUZZ_RUN) -max_total_time=$(FUZZ_SECONDS) $(FUZZ_DIR)/corpus/$$target $(FUZZ_DIR)/seeds/$$target; done

test-fuzz:
	@if ! command -v $${CXX:-c++} >/dev/null; then echo 'skipped: libFuzzer needs a C++ compiler'; \
	    else $(MAKE) --no-print-directory fuzz-short; fi

# From the seeds alone, not from what `make fuzz` has learnt. The time is a bound for slow machines.
fuzz-short: fuzz-build
	@rm -rf $(FUZZ_DIR)/short && mkdir -p $(FUZZ_TARGETS:%=$(FUZZ_DIR)/short/%)
	@set -e; for target in $(FUZZ_TARGETS); do log=$(FUZZ_DIR)/short/$$target.log; \
	    $(FUZZ_RUN) -seed=1 -runs=150000 -max_total_time=5 $(FUZZ_DIR)/short/$$target $(FUZZ_DIR)/seeds/$$target \
	        >$$log 2>&1 || { cat $$log; exit 1; }; echo "fuzz $$target: $$(grep DONE $$log)"; done

bench: build
	$(PYTHON) benches/peers/run.py
