"""Benchmarks: each module measures one part and names the target; `python -m tests.bench` prints the whole table."""
