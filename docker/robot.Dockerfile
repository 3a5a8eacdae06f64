# The robot: ROS 2 Jazzy, the core and the nodes; no PyTorch.
#   docker build -f docker/robot.Dockerfile -t lidar-vl-robot .
#   docker run --rm --network host --ipc host --shm-size 512m lidar-vl-robot \
#     ros2 launch lidar_vl_ros segmentation.launch.py input:=/lidar/points
FROM ros:jazzy-ros-base

RUN apt-get update \
 && apt-get install -y --no-install-recommends python3-venv python3-colcon-common-extensions \
      ros-jazzy-vision-msgs ros-jazzy-tf2-msgs ros-jazzy-diagnostic-msgs \
 && rm -rf /var/lib/apt/lists/*

# The core in a venv that sees ROS's Python packages: Ubuntu's own Python takes no pip packages.
RUN python3 -m venv --system-site-packages /opt/lidar-vl
ENV PATH=/opt/lidar-vl/bin:$PATH

WORKDIR /opt/lidar-vl/source
COPY pyproject.toml README.md LICENSE ./
COPY lidar_vl_core lidar_vl_core
COPY offline_training/__init__.py offline_training/__init__.py
# Jazzy's message packages are compiled against numpy 1; constraints.txt belongs to the wheels of PyPI.
RUN pip install --no-cache-dir . 'numpy<2' && python -m lidar_vl_core.commands.warm_up

COPY launch launch
COPY tests/ros tests/ros
COPY ros2_ws/src ros2_ws/src
# colcon from the venv's Python, so that the executables start with the interpreter that has the core.
RUN . /opt/ros/jazzy/setup.sh \
 && cd ros2_ws && python -m colcon build --packages-select lidar_vl_ros --merge-install \
 && rm -rf build log

COPY docker/robot_entrypoint.sh /usr/local/bin/robot_entrypoint.sh
ENTRYPOINT ["/usr/local/bin/robot_entrypoint.sh"]
CMD ["ros2", "launch", "lidar_vl_ros", "segmentation.launch.py"]
