# sazon: the few commands that matter. `make demo` on a fresh machine does everything it needs.

PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2
READY := .venv/.ready

.PHONY: setup demo check test campaigns docs lock clean

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sazon needs Python 3.11 or later: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)  ## the main job on the shipped data: no network, GPU, key or server
	$(BIN)/sazon demo

check: $(READY)  ## style, types, import rule, generated documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m tools.generate_docs --check

test: $(READY)  ## the whole suite, a file to a process; each computes in one thread, so they do not fight
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

campaigns: $(READY)  ## the long simulations in full
	SAZON_CAMPAIGNS=full $(BIN)/python -m pytest -m campaign --timeout 3600

docs: $(READY)  ## regenerate the reference pages
	$(BIN)/python -m tools.generate_docs

lock:  ## write requirements.lock from the packages in .venv
	$(BIN)/python -m pip freeze --exclude-editable --exclude pip | sed 's/+.*//' > requirements.lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache runs
