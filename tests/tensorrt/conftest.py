"""What needs TensorRT for RTX, whose wheel fits CPython 3.10 to 3.12 on x86-64; elsewhere these tests are not collected, and the last lines say so."""

from importlib.util import find_spec

HAS_TENSORRT = find_spec("tensorrt_rtx") is not None
collect_ignore = [] if HAS_TENSORRT else ["test_build.py", "test_parse.py", "test_stub.py"]


def pytest_terminal_summary(terminalreporter) -> None:  # pytest names its type only since 9
    """Says what was left out."""
    if not HAS_TENSORRT:
        terminalreporter.write_line("No wheel of TensorRT for RTX (extra `tensorrt`): no plan was parsed or built.")
