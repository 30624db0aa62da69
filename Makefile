# make train   set up, then learn arm/reach from pixels
# make test    set up, then run the tests; those of the running robot by themselves
# make lint    ruff and pyright
# make robot-demo   a trained policy on the simulated robot through ROS 2
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
RUN ?= runs/arm-reach

.PHONY: train test lint setup robot-demo clean

train: $(READY)
	$(BIN)/robot-rl train run_dir=$(RUN)

test: $(READY) $(VENV)/.ready-tests
	$(BIN)/pytest -n 2 --dist worksteal --ignore=tests/ros
	$(BIN)/pytest tests/ros

robot-demo: $(READY)
	$(BIN)/robot_demo --run $(RUN)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

setup: $(READY)

BRINGUP := $(wildcard ros2_ws/src/*/setup.py ros2_ws/src/robot_rl_bringup/*/*)

$(READY): pyproject.toml constraints.txt scripts/setup.sh $(BRINGUP)
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/setup.sh
	touch $@

$(VENV)/.ready-tests: scripts/setup.sh $(READY)
	PYTHON=$(PYTHON) VENV=$(VENV) bash scripts/setup.sh tests
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
