"""The text tower in a process of its own that gives way: new words are embedded while clouds are labelled with the old ones."""

import json
import sys
from collections.abc import Sequence

import numpy as np

from lidar_vl_core.engines.text_tower import TextEncoder
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.tasks.beside.answering_process import Answer, AnsweringProcess, answer_requests

_THREADS = 1


class TextProcess:
    """As TextEncoder, run elsewhere; started by the first prompts, and again where it ended."""

    def __init__(self, package: ModelPackage) -> None:
        self._channels = package.language.channels
        self._process = AnsweringProcess(__name__, [str(package.path)], "text encoder")

    def embed(self, prompts: Sequence[str]) -> np.ndarray:
        """(P, C) float32 unit rows, from any thread.

        Raises BadModelPackage for words that the tower does not take, for one that does not run, or whose process ended.
        """
        answer = self._process.ask(json.dumps(list(prompts)).encode())
        return np.frombuffer(answer, np.float32).reshape(len(prompts), self._channels)

    def close(self) -> None:
        """End the process, also while it is at work; embed() would start another."""
        self._process.close()


def _opened(package: str) -> tuple[bytes, Answer]:
    opened = load_model_package(package)
    encoder = TextEncoder(opened.text_encoder_bytes() or b"", opened.tokenizer_bytes(), opened.language, _THREADS)
    return b"", lambda request: encoder.embed(json.loads(request)).tobytes()


def main() -> None:
    """The process: PACKAGE FILE_DESCRIPTOR."""
    package, descriptor = sys.argv[1:]
    answer_requests(int(descriptor), lambda: _opened(package))


if __name__ == "__main__":
    main()
