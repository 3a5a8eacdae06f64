"""The command `download` against a hub that is a dictionary."""

import hashlib
import json
from datetime import datetime, timezone
from types import SimpleNamespace

import pytest

from lidar_vl_core.foundation.errors import BadRequest
from offline_training.cli.main import main
from offline_training.weak_labels.model_weights.download import download
from offline_training.weak_labels.model_weights.known_models import KNOWN_MODELS
from offline_training.weak_labels.model_weights.model_folder import ModelFolder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {
    "config.json": b'{"model_type": "sam"}',
    "model.safetensors": b"weights",
    "preprocessor_config.json": b"{}",
    "vocab.txt": b"car",
    "pytorch_model.bin": b"pickle",
    "modeling.py": b"code",
    "README.md": b"read me",
    "onnx/model.safetensors": b"other weights",
}


@pytest.fixture
def hub(monkeypatch):
    """What the command asked for; its files and card can be changed, and `broken` makes one of its calls fail."""
    import huggingface_hub

    state = SimpleNamespace(files=dict(FILES), card={"license": "apache-2.0"}, asked=[], broken={})

    def model_info(self, repository, revision=None):
        state.asked.append((repository, revision))
        if "model_info" in state.broken:
            raise state.broken["model_info"]
        names = [SimpleNamespace(rfilename=name) for name in state.files]
        date = datetime(2025, 3, 1, tzinfo=timezone.utc)
        return SimpleNamespace(sha=COMMIT, siblings=names, card_data=state.card, last_modified=date)

    def snapshot_download(repository, revision=None, local_dir=None, allow_patterns=None):
        state.asked.append((repository, revision))
        (local_dir / ".cache" / "huggingface").mkdir(parents=True)
        for name in allow_patterns:
            if "snapshot_download" in state.broken:
                raise state.broken["snapshot_download"]
            (local_dir / name).write_bytes(state.files[name])

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def test_weights_settings_and_vocabulary_come_with_a_record_of_commit_licence_and_hashes(hub, tmp_path):
    record = download("sam-vit-huge", tmp_path / "sam", "v1", "Apache-2.0")
    assert hub.asked == [("facebook/sam-vit-huge", "v1"), ("facebook/sam-vit-huge", COMMIT)]
    assert json.loads((tmp_path / "sam" / "download.json").read_text()) == record
    assert record == {
        "repository": "facebook/sam-vit-huge",
        "revision": COMMIT,
        "asked_revision": "v1",
        "revision_date": "2025-03-01T00:00:00+00:00",
        "licence": "apache-2.0",
        "sha256": {
            name: hashlib.sha256(FILES[name]).hexdigest()
            for name in ("config.json", "model.safetensors", "preprocessor_config.json", "vocab.txt")
        },
    }
    assert {path.name for path in (tmp_path / "sam").iterdir()} == {*record["sha256"], "download.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["sam"]
    assert ModelFolder(tmp_path / "sam").identity()["revision"] == COMMIT


def test_an_interrupted_download_leaves_no_folder_and_the_next_one_completes_it(hub, tmp_path):
    hub.broken["snapshot_download"] = ConnectionError("cut")
    with pytest.raises(BadRequest, match="cut"):
        download("sam-vit-huge", tmp_path / "sam", accepted_licence="apache-2.0")
    assert not (tmp_path / "sam").exists()
    (tmp_path / ".sam.download" / "other.safetensors").write_bytes(b"of another model")
    (tmp_path / ".sam.download" / ".cache" / "huggingface").rmdir()
    (tmp_path / ".sam.download" / ".cache").rmdir()
    hub.broken.clear()
    download("sam-vit-huge", tmp_path / "sam", accepted_licence="apache-2.0")
    assert not (tmp_path / "sam" / "other.safetensors").exists()


def test_a_model_we_do_not_know_is_taken_under_the_licence_its_repository_states(hub, tmp_path):
    hub.card = {"license": "other", "license_name": "own-terms"}
    with pytest.raises(BadRequest, match="other or own-terms"):
        download("someone/model", tmp_path / "x", accepted_licence="mit")
    assert download("someone/model", tmp_path / "x", accepted_licence="own-terms")["licence"] == "own-terms"
    hub.card = None
    assert download("someone/model", tmp_path / "y", accepted_licence="mit")["licence"] == "mit"


REFUSED = {
    "no licence named": (["sam3"], "accept-licence with sam-license"),
    "another licence": (["sam3", "--accept-licence", "mit"], "found mit"),
    "no licence for an unknown model": (["someone/model"], "the name of its licence"),
    "an unknown name": (["sam4", "--accept-licence", "mit"], "sam-vit-huge"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_asked_wrongly_is_one_line_before_the_network_is_touched(case, hub, tmp_path, capsys):
    arguments, told = REFUSED[case]
    assert main(["download", *arguments, "--out", str(tmp_path / "x")]) == 2
    shown = capsys.readouterr().err
    assert told in shown
    assert shown.count("\n") == 1
    assert hub.asked == []


def test_without_a_network_there_is_one_clear_line(hub, tmp_path, capsys):
    hub.broken["model_info"] = ConnectionError("Name or service not known\nmore\nlines")
    arguments = ["download", "sam-vit-huge", "--out", str(tmp_path / "x"), "--accept-licence", "apache-2.0"]
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert "Name or service not known Check the network" in shown
    assert shown.count("\n") == 1


def test_a_repository_with_pickles_alone_is_refused_before_anything_is_fetched(hub, tmp_path):
    del hub.files["model.safetensors"]
    with pytest.raises(BadRequest, match=r"pytorch_model\.bin"):
        download("sam-vit-huge", tmp_path / "sam", accepted_licence="apache-2.0")
    assert len(hub.asked) == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_with_files_in_it_is_not_written_over(hub, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(BadRequest, match="new folder"):
        download("sam-vit-huge", tmp_path, accepted_licence="apache-2.0")


def test_the_command_says_what_came(hub, tmp_path, capsys):
    arguments = ["download", "sam-vit-huge", "--out", str(tmp_path / "x"), "--accept-licence", "apache-2.0"]
    assert main(arguments) == 0
    assert COMMIT in capsys.readouterr().out


def test_known_models_name_a_repository_and_a_licence():
    for name, model in KNOWN_MODELS.items():
        assert name == name.lower()
        assert model.repository.count("/") == 1
        assert model.licence == model.licence.lower()
