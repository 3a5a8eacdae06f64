"""Own code beside the library that could take its place: python -m tests.bench.core.libraries. See docs/decisions/libraries_or_own.md.

Import time and memory are of a fresh process, the best of five; the other times are processor seconds in this one.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
PACKAGES = ("yaml", "ruamel.yaml", "markdown_it", "tokenizers", "matplotlib.figure,matplotlib.backends.backend_svg")
IMPORT = """
import importlib, resource, sys, time
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
for name in sys.argv[1].split(","): importlib.import_module(name)
print(time.process_time() - start, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
YAML = ("010", "0x1F", "1_000", "2020-01-01", "True", "!!set {b}", "[&a [1], *a]", "{1: 2, '1': 3}", "{<<: {a: 1}}")
CARDS = {
    "brackets": "[" * 50_000,
    "emphasis": "*a " * 16_000,
    "table": "|a" * 200 + "|\n" + "|-" * 200 + "|\n" + ("|b" * 200 + "|\n") * 120,
}


def imports() -> None:
    """Seconds and MB that an import costs."""
    for names in PACKAGES:
        runs = [
            subprocess.run([sys.executable, "-c", IMPORT, names], capture_output=True, text=True, check=True).stdout
            for _ in range(5)
        ]
        seconds, megabytes = min(tuple(map(float, run.split())) for run in runs)
        print(f"  import {names:<55}{1e3 * seconds:6.0f} ms {megabytes:6.1f} MB")


def yaml_scalars() -> None:
    """What is read of texts that our configurations refuse or keep as text, and the time for all of our files."""
    import ruamel.yaml
    import yaml

    from lidar_vl_core.foundation.yaml_text.checked_loader import CheckedLoader

    readers: dict[str, Callable[[str], object]] = {
        "own": lambda text: yaml.load(text, CheckedLoader),
        "ruamel.yaml 1.2": lambda text: ruamel.yaml.YAML(typ="safe", pure=True).load(text),
    }
    for text in YAML:
        print(f"  {text:<18}" + "; ".join(f"{name}: {_told(read, f'a: {text}')}" for name, read in readers.items()))
    texts = [
        path.read_text()
        for room in ("lidar_vl_core", "offline_training")
        for path in (REPOSITORY / room).rglob("*.yaml")
    ]
    for name, read in readers.items():
        print(f"  {len(texts)} files by {name}: {_seconds(lambda read=read: [read(text) for text in texts]):.2f} s")


def cards() -> None:
    """Time of cards that somebody made to take long."""
    from lidar_vl_core.commands.report_page.markdown import markdown

    for name, card in CARDS.items():
        print(f"  card of {len(card):,} {name}: {_seconds(lambda card=card: markdown(card)):.2f} s")


def tokens() -> None:
    """Time to open CLIP's merges and to number prompts and one long word."""
    from lidar_vl_core.words.clip_tokenizer import ClipTokenizer

    folder = find_spec("open_clip").submodule_search_locations[0]  # not imported, as that needs torchvision
    merges = Path(folder, "bpe_simple_vocab_16e6.txt.gz").read_bytes()
    print(f"  open the merges: {_seconds(lambda: ClipTokenizer(merges, 77)):.2f} s")
    tokenizer = ClipTokenizer(merges, 77)
    prompts = [f"a photo of a {word}" for word in ("car", "truck", "bus", "person", "bicycle")] * 16
    print(f"  {len(prompts)} prompts: {1e3 * _seconds(lambda: tokenizer.tokens(prompts)):.1f} ms")
    print(f"  a word of 1,000 letters: {1e3 * _seconds(lambda: tokenizer.tokens(['abcdefgh' * 125])):.1f} ms")


def _told(read: Callable[[str], object], text: str) -> str:
    try:
        return repr(read(text))[:40]
    except Exception as error:
        return type(error).__name__


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    for part in (imports, yaml_scalars, cards, tokens):
        print(f"{part.__name__.replace('_', ' ')}: {part.__doc__}")
        part()
