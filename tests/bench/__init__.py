"""Benchmarks: each module measures one part and names the target; `python -m tests.bench` prints the whole table.

Rooms: core (the vehicle path without ROS), node (with ROS), training, gpu (CUDA), report (how figures are told).
"""
