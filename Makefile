# make train   set up, then learn arm/reach from pixels
# make test    set up, then run the tests
# make lint    ruff and pyright
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUN ?= runs/arm-reach

.PHONY: train test lint setup clean

train: $(READY)
	$(BIN)/robot-rl train run_dir=$(RUN)

test: $(READY)
	$(BIN)/pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

setup: $(READY)

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/setup.sh
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
