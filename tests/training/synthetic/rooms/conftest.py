"""A folder with two kept rooms, and the data sets of it; tests that ask for them have looked for the ray caster."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A cache with two rooms, each with and without noise of depth."""
    from tests.training.synthetic.rooms.kept_rooms import EXACT, NOISY, kept_rooms

    path = tmp_path_factory.mktemp("rooms")
    for spec in (EXACT, NOISY):
        kept_rooms(path, spec).prepare()
    return path


@pytest.fixture
def data(folder):
    from tests.training.synthetic.rooms.kept_rooms import EXACT, kept_rooms

    return kept_rooms(folder, EXACT)


@pytest.fixture
def noisy(folder):
    from tests.training.synthetic.rooms.kept_rooms import NOISY, kept_rooms

    return kept_rooms(folder, NOISY)


@pytest.fixture
def copied(folder, tmp_path) -> Path:
    """A cache of one room, to be damaged."""
    from tests.training.synthetic.rooms.kept_rooms import EXACT, folder_of

    whole = folder_of(folder, 100, EXACT)
    shutil.copytree(whole, tmp_path / whole.name)
    return tmp_path
