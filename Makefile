# Everything sets itself up: a Python 3.11 and make are enough.
#   make demo    fine-tune the starter encoder on samples/ and predict unseen texts
#   make test    the whole test suite
#   make check   format check, lint, types
# PIP_ARGS is handed to pip, e.g. PIP_ARGS="--index-url <your mirror>".

PYTHON   ?= $(shell command -v python3.11 || echo python3)
VENV     ?= .venv
BIN      := $(VENV)/bin
PIP_ARGS ?=
READY    := $(VENV)/.ready

.PHONY: demo test check format clean

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fenlei needs Python 3.11 or later")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q $(PIP_ARGS) -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check -q --no-deps --no-build-isolation -e .
	touch $@

demo: $(READY)
	$(BIN)/fenlei train samples/news.csv --encoder starter --epochs 8 --out runs/demo --overwrite
	$(BIN)/fenlei predict runs/demo samples/unseen.txt --top-k 2

test: $(READY)
	$(BIN)/python -m pytest

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
