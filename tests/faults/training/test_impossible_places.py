"""A place where nothing can be written is told before the data are read and PyTorch is imported."""

import pytest

from tests.faults.training.test_early_refusals import (  # noqa: F401  a fixture is among them
    CARD,
    FINETUNE,
    PRETRAIN,
    VALIDATION,
    WEAK,
    WORDS,
    kitti,
    refused,
    written,
)

BELOW = "cloud.bin/new"


@pytest.fixture
def here(kitti):  # noqa: F811
    (kitti / "cloud.bin").write_bytes(bytes(64))
    (kitti / "checkpoints").mkdir()
    (kitti / "checkpoints/last.json").write_text("")
    (kitti / "weights.pth").write_text("")
    return kitti


def commands(folder, place: str) -> list[list[str]]:
    """Every command that writes into a folder, with this one as the place of its results."""
    made = {"kind": "synthetic", "folder": "made"}
    config = {name: written(folder, f"{name}.yaml", content) for name, content in {
        "finetune": FINETUNE, "pretrain": PRETRAIN, "weak-label": WEAK, "words": {**WORDS, **VALIDATION}, "card": CARD,
        "validation": VALIDATION, "toy": {"out": "toy", "train": [made], "test": [dict(made)]},
    }.items()}  # fmt: skip
    of_runs = [[name, "--config", config[name], f"out={place}"] for name in ("finetune", "pretrain", "weak-label")]
    stages = ("extract-features", "pseudo-label", "specialise", "guide")
    return [
        *of_runs,
        *([stage, "--config", config["words"], f"out={place}"] for stage in stages),
        ["toy-language", "--config", config["toy"], f"out={place}"],
        ["from-bags", "cloud.bin", "--out", place],
        ["reproduce", "table1", "--out", place],
        ["evaluate", "checkpoints", "--config", config["validation"], "--images", place],
        ["evaluate-language", "checkpoints", "--config", config["words"], "--images", place],
        ["submit", "checkpoints", "--config", config["validation"], "--benchmark", "semantic_kitti", "--out", place],
        ["export", "checkpoints", "--card", config["card"], "--clouds", "cloud.bin", "--out", place],
        ["import-checkpoint", "weights.pth", "--kind", "slidr", "--out", place],
        ["download", "sam-vit-huge", "--accept-licence", "apache-2.0", "--out", place],
    ]


def commands_of_files(folder, place: str) -> list[list[str]]:
    """Every command that writes a file of results, with this one as its place."""
    config = {name: written(folder, f"{name}.yaml", content) for name, content in {
        "words": {**WORDS, **VALIDATION}, "validation": VALIDATION, "robustness": {"sources": VALIDATION["validation"]},
    }.items()}  # fmt: skip
    return [
        ["evaluate", "checkpoints", "--config", config["validation"], "--out", place],
        ["evaluate-language", "checkpoints", "--config", config["words"], "--out", place],
        ["robustness", "checkpoints", "--config", config["robustness"], "--out", place],
    ]


@pytest.mark.parametrize("place", [BELOW, "n" * 300], ids=["below a file", "too long a name"])
def test_every_command_refuses_a_place_where_no_folder_can_be(place, here):
    asked = commands(here, place)
    for command, (code, err, has_torch) in zip(asked, refused(here, asked), strict=True):
        assert (code, has_torch, err.count("\n")) == (2, False, 1), (command, err)
        assert place[:60] in err, (command, err)


def test_every_command_refuses_a_place_where_no_file_can_be(here):
    asked = commands_of_files(here, BELOW)
    for command, (code, err, has_torch) in zip(asked, refused(here, asked), strict=True):
        assert (code, has_torch, err.count("\n")) == (2, False, 1), (command, err)
        assert f"--out {BELOW}: expected a folder at" in err, (command, err)


def test_a_file_in_the_place_of_a_folder_is_left_as_it_is(here):
    asked = commands(here, "cloud.bin")
    for command, (code, err, _) in zip(asked, refused(here, asked), strict=True):
        assert (code, err.count("\n")) == (2, 1), (command, err)
        assert "found a file" in err, (command, err)
    assert (here / "cloud.bin").read_bytes() == bytes(64)
