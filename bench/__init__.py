"""Benchmarks: each module measures one part and names the target; `python -m bench` prints the whole table."""
