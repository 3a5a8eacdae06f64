"""What needs a CUDA device; where there is none these tests are not collected, and the last lines say so."""

from pathlib import Path

HAS_DEVICE = Path("/dev/nvidiactl").exists()
collect_ignore_glob = [] if HAS_DEVICE else ["test_*.py"]


def pytest_terminal_summary(terminalreporter) -> None:  # pytest names its type only since 9
    """Says what was left out."""
    if not HAS_DEVICE:
        terminalreporter.write_line(
            "No GPU of NVIDIA: tests/cuda is left out, and Triton's kernels were interpreted on the CPU."
        )
