"""Benchmarks: each module measures one part and names the target; `python -m tests.bench` prints the whole table.

Rooms: vehicle (one account of the path from message to labels), core (what it is made of), node (with ROS), training, scaling (what
follows for a fleet), gpu (CUDA), peers (other packages' sparse convolutions), report (how figures are told).
"""
