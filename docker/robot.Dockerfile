# The robot: ROS 2 Jazzy, the core and the nodes; no PyTorch. Runs as any user, on a read-only root file system.
#   docker build -f docker/robot.Dockerfile -t lidar-vl-robot .
#   docker run --rm --network host --ipc host --user $(id -u):$(id -g) --read-only --tmpfs /tmp lidar-vl-robot \
#     ros2 launch lidar_vl_ros segmentation.launch.py input:=/lidar/points
# The package's tests in it:
#   docker build -f docker/robot.Dockerfile --target tests -t lidar-vl-robot-tests . && docker run --rm lidar-vl-robot-tests
FROM ros:jazzy-ros-base@sha256:c3706ef0a0aa45413c07803cf433602f543b22e45b4855f6fca955c2d8ecc4e8 AS built

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv python3-colcon-common-extensions \
      ros-jazzy-vision-msgs ros-jazzy-tf2-msgs ros-jazzy-diagnostic-msgs \
 && rm -rf /var/lib/apt/lists/*

# The core in a venv that sees ROS's Python packages: Ubuntu's own Python takes no pip packages.
RUN python3 -m venv --system-site-packages /opt/lidar-vl
ENV PATH=/opt/lidar-vl/bin:$PATH

WORKDIR /opt/lidar-vl/source
COPY pyproject.toml README.md LICENSE constraints.txt installer.txt ./
COPY docker/robot_packages.txt docker/robot_packages.txt
COPY lidar_vl_core lidar_vl_core
COPY offline_training/__init__.py offline_training/__init__.py
# Packages by the hashes of robot_packages.txt: those of constraints.txt with numpy 1, which Jazzy's messages are compiled
# against. The entry point copies numba's compiled kernels to /tmp, since numba loads only from a folder that it can write to.
ENV NUMBA_CACHE_DIR=/opt/lidar-vl/compiled
RUN pip install --no-cache-dir --no-deps --require-hashes -r installer.txt \
 && uv pip install --no-cache --python /opt/lidar-vl/bin/python -c docker/robot_packages.txt -b constraints.txt . \
 && python -m lidar_vl_core.commands.warm_up

COPY launch launch
COPY ros2_ws/src ros2_ws/src
# colcon from the venv's Python, so that the executables start with the interpreter that has the core.
RUN . /opt/ros/jazzy/setup.sh \
 && cd ros2_ws && python -m colcon build --packages-select lidar_vl_ros --merge-install \
 && rm -rf build log

COPY docker/robot_entrypoint.sh /usr/local/bin/robot_entrypoint.sh
ENV HOME=/tmp NUMBA_CACHE_DIR=/tmp/compiled
ENTRYPOINT ["/usr/local/bin/robot_entrypoint.sh"]

FROM built AS tests
RUN apt-get update \
 && apt-get install -y --no-install-recommends ros-jazzy-sensor-msgs-py \
 && rm -rf /var/lib/apt/lists/*
RUN uv pip install --no-cache --python /opt/lidar-vl/bin/python -c docker/robot_packages.txt -b constraints.txt '.[test]'
COPY conftest.py ./
COPY tests tests
COPY docs docs
COPY docker docker
RUN chown -R 1000:1000 .
USER 1000:1000
WORKDIR /opt/lidar-vl/source/ros2_ws
CMD ["bash", "-c", "python -m colcon build --merge-install --packages-select lidar_vl_ros && python -m colcon test --merge-install --packages-select lidar_vl_ros --event-handlers console_direct+ && python -m colcon test-result --verbose"]

FROM built AS robot
USER 1000:1000
# Healthy if one of our nodes publishes diagnostics, without an error.
HEALTHCHECK --interval=30s --timeout=15s --start-period=120s --retries=3 \
  CMD ["/usr/local/bin/robot_entrypoint.sh", "python", "-m", "lidar_vl_ros.process.health_check"]
CMD ["ros2", "launch", "lidar_vl_ros", "segmentation.launch.py"]
