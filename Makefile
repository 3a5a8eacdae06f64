# make demo | test | check | bench | train-demo : each sets up what it needs in .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export FASTRTPS_DEFAULT_PROFILES_FILE := $(CURDIR)/ros2_ws/src/lidar_vl_ros/config/fastdds_large_clouds.xml
export FASTDDS_DEFAULT_PROFILES_FILE := $(FASTRTPS_DEFAULT_PROFILES_FILE)
unexport OPENBLAS_CORETYPE  # some machines force an old instruction set; the engine wants what the CPU has

.PHONY: help setup demo test check bench train-demo evaluate-demo soak clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make setup      .venv with everything but the training extras of other issues
setup: $(STAMP)

# torch comes by pip, whose pin takes the build that fits the machine; uv then sees it satisfied and installs the rest in
# seconds. Without uv, pip does the same, slower.
$(STAMP): pyproject.toml constraints.txt ros2_ws/src/lidar_vl_ros/setup.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[1/3] torch ($$(grep '^torch==' constraints.txt)), about half a minute"
	@$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt torch
	@echo "[2/3] the other packages"
	@if $(BIN)/pip install --disable-pip-version-check -q uv; then \
	  $(BIN)/uv pip install --python $(BIN)/python -c constraints.txt -e '.[train,synthetic,ros,bench,dev]' -e ros2_ws/src/lidar_vl_ros; \
	else \
	  $(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[train,synthetic,ros,bench,dev]' -e ros2_ws/src/lidar_vl_ros; \
	fi
	@echo "[3/3] compile the engine's kernels once"
	@$(BIN)/python -m lidar_vl_core.warm_up
	@touch $(STAMP)

## make demo       synthetic drive -> real ROS 2 graph -> out/demo/report.html
demo: $(STAMP)
	@$(BIN)/python -m lidar_vl_ros.demo --out out/demo

## make test       all tests, less than 15 minutes on two cores
test: $(STAMP)
	@$(BIN)/python -m pytest -q

## make check      ruff, mypy, import rules
check: $(STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/python -m pytest -q tests/test_import_rules.py

## make bench      the table of figures; also out/bench.json
bench: $(STAMP)
	@$(BIN)/python -m bench --out out/bench.json

## make train-demo train, evaluate and export the demo model (PANDASET=folder of a PandaSet sequence)
train-demo: $(STAMP)
	@$(BIN)/python -m offline_training.train_demo --pandaset "$(PANDASET)" --out out/train_demo

clean:
	rm -rf $(VENV) out
