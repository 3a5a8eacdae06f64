"""Streets of the synthetic data sets, built once for all tests; tests that ask for them have looked for the ray caster."""

import pytest


@pytest.fixture
def kept_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Building a street takes a second: the tests of the cache take those that are there."""
    from tests.training.synthetic.kept_streets import world

    monkeypatch.setattr("offline_training.synthetic.streets.layout.build_world", world)
