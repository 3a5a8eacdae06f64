"""Packages that know words, for tests of nodes that are asked for them."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def with_tower(tmp_path_factory) -> Path:
    """A package that knows the prompts of nuscenes16, and a few more words by its text tower."""
    from tests.written.embedding_packages import write_embedding_package

    return write_embedding_package(tmp_path_factory.mktemp("with_tower") / "package").path


@pytest.fixture(scope="module")
def without_tower(tmp_path_factory) -> Path:
    from tests.written.embedding_packages import write_embedding_package

    return write_embedding_package(tmp_path_factory.mktemp("plain") / "package", with_encoder=False).path
