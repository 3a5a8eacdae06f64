# make demo | test | check | bench | train-demo | train-demo-detector : each sets up what it needs in .venv first, test-core and test-minimal in a
# lean one of their own.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_STAMP := $(VENV)/.installed_for_tests
CORE := .venv-core
MINIMAL := .venv-minimal
unexport OPENBLAS_CORETYPE  # some machines force an old instruction set; the engine wants what the CPU has

.PHONY: help setup demo test test-fast test-core test-minimal test-release check audit lock faults soak docs bench plugin train-demo train-demo-detector clean

# Nothing is installed that has another hash than the one written down: uv by pip and installer.txt, then all else by uv and
# constraints.txt, what builds our own packages too. torch alone comes by pip and its version, as the build that fits the machine
# is chosen there; uv leaves it out (--excludes -).
INSTALL_UV = pip install --disable-pip-version-check -q --no-deps --require-hashes -r installer.txt
HASHED := -c constraints.txt -b constraints.txt
UV_INSTALL = echo torch | $(BIN)/uv pip install -q --python $(BIN)/python --excludes - $(HASHED)
TORCH = $(shell sed -n 's/^\(torch==[0-9.]*\).*/\1/p' constraints.txt)

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make setup      .venv with everything but what only tests, docs and vision models need
setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt installer.txt ros2_ws/src/lidar_vl_ros/setup.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "[1/3] the packages of constraints.txt"
	@$(BIN)/$(INSTALL_UV)
	@$(UV_INSTALL) --compile-bytecode -e '.[train,synthetic,ros,bench,dev]' -e ros2_ws/src/lidar_vl_ros
	@echo "[2/3] $(TORCH), about half a minute"
	@$(BIN)/pip install --disable-pip-version-check -q $(TORCH)
	@echo "[3/3] compile the engine's kernels once"
	@$(BIN)/python -m lidar_vl_core.commands.warm_up
	@touch $(STAMP)

# What only tests need: the extras vfm, language, ray, triton, tensorrt and plugin. torchvision lies in a folder of its own, since PyPI's wheel is built for
# the CUDA build of torch: beside a CPU-only torch its import fails, and lightning's with it. tests/training/torchvision_on_cpu.py
# adds the folder where it is asked for.
$(TEST_STAMP): $(STAMP)
	@echo "packages for the tests"
	@$(UV_INSTALL) transformers huggingface-hub 'ray[data]' ftfy
	@$(UV_INSTALL) -e '.[triton,tensorrt,plugin]'
	@$(UV_INSTALL) --no-deps timm open_clip_torch
	@$(UV_INSTALL) --no-deps --target $(VENV)/torchvision torchvision
	@touch $(TEST_STAMP)

## make demo       synthetic drive -> labels and boxes by a real ROS 2 graph -> out/demo/report.html
demo: $(STAMP)
	@$(BIN)/python -m offline_training.synthetic.sensors.drive --out out/demo/drive.mcap --seed 13 --frames 50 --overwrite
	@$(BIN)/python -m lidar_vl_ros.demo --bag out/demo/drive.mcap --out out/demo --overwrite

# Side by side, a file in one process; but one after the other the core's slow tests and those of a running ROS graph: they watch
# the clock, and would miss it beside others on two cores.
## make test       all tests, about 15 minutes on two cores
test: $(TEST_STAMP)
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) -m "not slow" $(CORE_TESTS)
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) tests $(CORE_TESTS:%=--ignore=%) $(GRAPH_TESTS:%=--ignore=%) --ignore=tests/release
	@$(BIN)/python -m pytest -q -m slow $(CORE_TESTS)
	@$(BIN)/python -m pytest -q $(GRAPH_TESTS)

## make test-fast  the quick tests, with 20 examples of each property
test-fast: $(TEST_STAMP)
	@$(BIN)/python -m pytest -q $(SIDE_BY_SIDE) $(QUICK) tests $(GRAPH_TESTS:%=--ignore=%)
	@$(BIN)/python -m pytest -q $(QUICK) $(GRAPH_TESTS)

## make test-core  the quick tests of the core, in a .venv-core without PyTorch
test-core: $(CORE)/.installed
	@! $(CORE)/bin/python -c "import torch" 2> /dev/null || { echo "$(CORE): expected no torch, found it. Remove the folder." >&2; exit 2; }
	@for command in $(CORE_COMMANDS); do $(CORE)/bin/lidar-vl $$command --help > /dev/null || exit 1; done
	@$(CORE)/bin/python -m pytest -q $(SIDE_BY_SIDE) $(QUICK) $(CORE_TESTS)

## make test-minimal  the same with the oldest versions of the core's dependencies that pyproject.toml allows
test-minimal: $(MINIMAL)/.installed
	@$(OTHER_NUMBA) $(MINIMAL)/bin/python -m pytest -q $(SIDE_BY_SIDE) $(QUICK) $(CORE_TESTS)

## make test-release  sdist and wheel, installed into clean environments of every Python here; needs a package index
test-release: $(TEST_STAMP)
	@$(BIN)/python -m pytest -q tests/release

SIDE_BY_SIDE := -n auto --dist loadfile
QUICK := -m "not slow" --hypothesis-profile fast
CORE_TESTS := tests/core tests/faults/core
GRAPH_TESTS := ros2_ws/src/lidar_vl_ros/test tests/faults/ros tests/system/test_demo.py
OTHER_NUMBA := NUMBA_CACHE_DIR=$(abspath $(MINIMAL))/numba  # what one numba compiled, another throws away
CORE_COMMANDS := segment replay inspect calibration-check query models build-engine doctor top

# Made anew when a dependency changes, so that nothing is there but what pyproject.toml says.
$(CORE)/.installed: pyproject.toml constraints.txt installer.txt
	@echo "the core alone, in $(CORE)"
	@rm -rf $(CORE) && $(PYTHON) -m venv $(CORE)
	@$(CORE)/bin/$(INSTALL_UV)
	@$(CORE)/bin/uv pip install -q --python $(CORE)/bin/python $(HASHED) -e '.[test]'
	@$(CORE)/bin/python -m lidar_vl_core.commands.warm_up
	@touch $@

$(MINIMAL)/.installed: pyproject.toml installer.txt
	@echo "the core alone with the oldest versions it allows, in $(MINIMAL)"
	@rm -rf $(MINIMAL) && $(PYTHON) -m venv $(MINIMAL)
	@$(MINIMAL)/bin/$(INSTALL_UV)
	@$(MINIMAL)/bin/uv pip install -q --python $(MINIMAL)/bin/python --resolution lowest-direct -e '.[test]'
	@$(OTHER_NUMBA) $(MINIMAL)/bin/python -m lidar_vl_core.commands.warm_up
	@touch $@

## make check      ruff, mypy, import rules, and the list of releases with known holes
check: $(TEST_STAMP)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache --no-logo && $(BIN)/python -m pytest -q tests/test_import_rules.py tests/test_declared_packages.py tests/test_sizes.py tests/supply_chain

# Asks PyPI's own service, which mirrors of its packages mostly lack; a package it does not know fails (--strict).
## make audit      the pinned versions against today's advisories, by pip-audit
audit: $(STAMP)
	@$(BIN)/uv tool run pip-audit --strict --no-deps --disable-pip -r constraints.txt
	@$(BIN)/uv tool run pip-audit --strict --no-deps --disable-pip -r docker/robot_packages.txt

# What is pinned stays pinned where it can: `make lock UPGRADE=--upgrade` takes what is newest. The robot's packages are the same, but
# for numpy 1, which Jazzy's messages are compiled against.
## make lock       versions and hashes anew, after a change of pyproject.toml: constraints.txt, docker/robot_packages.txt, installer.txt
UPGRADE ?=
COMPILE = $(BIN)/uv pip compile -q --generate-hashes --no-annotate --custom-compile-command "make lock" $(UPGRADE)
lock: $(STAMP)
	@$(COMPILE) --universal --python-version 3.10 --all-extras pyproject.toml -o constraints.txt
	@cp constraints.txt docker/robot_packages.txt
	@echo 'numpy<2' | $(COMPILE) --python-version 3.12 --python-platform linux --extra test pyproject.toml -c - -o docker/robot_packages.txt
	@echo uv | $(COMPILE) --universal - -o installer.txt

# Built without network; the theme's fonts stay out. The variable silences an advertisement for the theme's successor.
## make docs       all pages and the API reference as a site in out/docs
docs: $(STAMP)
	@test -x $(BIN)/mkdocs || { $(UV_INSTALL) -e '.[docs]'; }
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict -q

# What it runs in its short form is among the tests of `make test`; here each of the 38 faults tells its figure.
## make faults     the 38 faults and their figures into out/faults, minutes; LONG=1: a million messages, 500 kills..., two hours (LONG=0.1: a tenth)
LONG ?=
FAULTS ?= --resume
faults: $(TEST_STAMP)
	@$(BIN)/python -m tests.faults --out out/faults $(if $(LONG),--long $(LONG)) $(FAULTS)

## make soak       ten minutes of clouds with faults among them against a running node; HOURS=8
HOURS ?=
soak: $(STAMP)
	@$(BIN)/python -m tests.faults.trials.soak --out out/faults $(if $(HOURS),--hours $(HOURS))

## make bench      all figures into out/bench, about half an hour; BENCH="--quick": the vehicle path alone, two minutes
BENCH ?=
bench: $(STAMP)
	@$(BIN)/python -m tests.bench --out out/bench $(BENCH)

## make train-demo train, measure and export the demo model (PANDASET=folder of sequence 002), about three hours on two cores
PANDASET ?=
train-demo: $(STAMP)
	@test -d "$(PANDASET)" || { echo "PANDASET: expected the folder of PandaSet sequence 002, found '$(PANDASET)'. Give PANDASET=FOLDER." >&2; exit 2; }
	@mkdir -p out/data && ln -sfn "$(abspath $(PANDASET))" out/data/pandaset
	@$(BIN)/lidar-vl-train finetune --config offline_training/configs/finetune/demo.yaml
	@$(BIN)/lidar-vl-train finetune --config offline_training/configs/finetune/demo_second.yaml
	@$(BIN)/lidar-vl-train evaluate out/train/demo_second/checkpoints --config offline_training/configs/evaluate/demo_test.yaml --out out/train/demo_test.json --overwrite
	@$(BIN)/lidar-vl-train export out/train/demo_second/checkpoints --card offline_training/configs/export/demo_card.yaml \
	  --clouds out/data/pandaset/lidar/36.npz --out out/train/demo_package --overwrite
	@echo "To ship it: replace lidar_vl_core/models/demo by out/train/demo_package"

## make train-demo-detector  the same for the demo detector, about an hour
train-demo-detector: $(STAMP)
	@test -d "$(PANDASET)" || { echo "PANDASET: expected the folder of PandaSet sequence 002, found '$(PANDASET)'. Give PANDASET=FOLDER." >&2; exit 2; }
	@mkdir -p out/data && ln -sfn "$(abspath $(PANDASET))" out/data/pandaset
	@$(BIN)/lidar-vl-train finetune --config offline_training/configs/finetune/detection/demo_detector.yaml
	@$(BIN)/lidar-vl-train finetune --config offline_training/configs/finetune/detection/demo_detector_second.yaml
	@$(BIN)/lidar-vl-train evaluate out/train/demo_detector_second/checkpoints --config offline_training/configs/evaluate/demo_test.yaml --out out/train/demo_detector_test.json --overwrite
	@$(BIN)/lidar-vl-train export out/train/demo_detector_second/checkpoints --card offline_training/configs/export/demo_detector_card.yaml \
	  --clouds out/data/pandaset/lidar/36.npz --out out/train/demo_detector_package --overwrite
	@echo "To ship it: replace lidar_vl_core/models/demo_detector by out/train/demo_detector_package"

## make plugin     the fused sparse convolution for TensorRT, compiled for six GPU generations (TENSORRT_INCLUDE=folder: with the plugin in C++)
plugin: $(STAMP)
	@command -v nvcc > /dev/null || { $(UV_INSTALL) -e '.[plugin]'; }
	@$(BIN)/python -m lidar_vl_core.commands.machine.build_plugin

clean:
	rm -rf $(VENV) $(CORE) $(MINIMAL) out
