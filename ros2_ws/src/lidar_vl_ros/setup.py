from glob import glob

from setuptools import find_packages, setup

# Name, version and packages are here, not in a pyproject.toml: `colcon build --symlink-install` reads only setup.py.
PACKAGE = "lidar_vl_ros"

setup(
    name=PACKAGE,
    version="0.2.0",
    packages=find_packages(exclude=["test"]),
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (f"share/{PACKAGE}", ["package.xml"]),
        (f"share/{PACKAGE}/launch", glob("launch/*.launch.py")),
        (f"share/{PACKAGE}/config", glob("config/*")),
        (f"share/{PACKAGE}/schema", glob("schema/*.json")),
        (f"share/{PACKAGE}/rviz", glob("rviz/*.rviz")),
        (f"share/{PACKAGE}/foxglove", glob("foxglove/*.json")),
    ],
    install_requires=["setuptools"],
    # Without it `colcon test` runs unittest, finds nothing and says OK.
    extras_require={"test": ["pytest"]},
    zip_safe=True,
    maintainer="lidar-vl developers",
    maintainer_email="maintainers@lidar-vl.invalid",
    description="ROS 2 nodes: label LiDAR clouds and find objects in them with lidar_vl_core, play and record bags",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "segmentation_node = lidar_vl_ros.segmentation_node:main",
            "detection_node = lidar_vl_ros.detection_node:main",
            "perception_node = lidar_vl_ros.both_tasks_node:main",
            "bag_player = lidar_vl_ros.bags.player:main",
            "bag_recorder = lidar_vl_ros.bags.recorder:main",
        ],
    },
)
