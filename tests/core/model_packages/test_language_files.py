"""Embedding packages: exactly the files the manifest speaks of, proven and fitting each other."""

import hashlib
import shutil

import numpy as np
import pytest

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.model_packages.language_files import LanguageFiles
from lidar_vl_core.model_packages.language_spec import LanguageSpec
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.graph import read_sparse_graph, split_head
from lidar_vl_core.sparse_model.onnx_form import SparseGraphBuilder
from lidar_vl_core.words.text_table_file import text_table_bytes
from lidar_vl_core.words.vocabulary import load_vocabulary
from lidar_vl_core.words.vocabulary_table import select, text_table
from tests.written.embedding_packages import (
    CHANNELS,
    CONTEXT_LENGTH,
    embedding_manifest,
    embedding_network,
    random_table,
    word_encoder,
    words_json,
    write_embedding_package,
)

SEAL = "manifest_sha256: "
FEATURES = ("one", "intensity", "height")
TABLE = random_table(load_vocabulary("nuscenes16"))


def a_spec(**changes) -> LanguageSpec:
    return LanguageSpec(**({"text_space": "random", "channels": CHANNELS, "logit_scale": 20.0} | changes))


WITH_WORDS = a_spec(tokenizer="words", context_length=CONTEXT_LENGTH)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write_embedding_package(tmp_path_factory.mktemp("packages") / "tiny").path


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "package")


def write(folder, spec, files, features=FEATURES, network=None, table=TABLE):
    network = network or embedding_network(len(features))
    return write_model_package(folder, network, embedding_manifest(table, spec, features), "# Tiny\n", files)


def replaced(folder, name: str, content: bytes) -> None:
    """Put other content in place, with hashes that fit."""
    old = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / name).write_bytes(content)
    manifest = folder / "manifest.yaml"
    body = manifest.read_text().split(SEAL)[0].replace(old, hashlib.sha256(content).hexdigest())
    manifest.write_text(f"{body}{SEAL}{hashlib.sha256(body.encode()).hexdigest()}\n")


def test_what_was_written_is_read_back(original):
    package = load_model_package(original)
    assert sorted(path.name for path in original.iterdir()) == [
        "card.md", "manifest.yaml", "model.onnx", "text_encoder.onnx", "text_table.npz", "words.json",
    ]  # fmt: skip
    assert package.manifest.task == "embedding"
    assert package.classes == TABLE.class_table
    assert np.array_equal(package.text_table().embeddings, TABLE.embeddings)
    assert package.text_encoder_bytes() == word_encoder()
    assert package.tokenizer_bytes() == words_json()
    assert package.image_encoder_bytes() is None


def test_without_encoders_a_package_has_four_files(tmp_path):
    package = write(tmp_path / "package", a_spec(), LanguageFiles(TABLE))
    assert sorted(path.name for path in package.path.iterdir()) == [
        "card.md", "manifest.yaml", "model.onnx", "text_table.npz",
    ]  # fmt: skip
    assert package.text_encoder_bytes() is None
    assert package.tokenizer_bytes() is None


def test_a_smaller_package_replaces_a_larger_one_and_the_same_gives_the_same_bytes(folder, tmp_path):
    write(folder, a_spec(), LanguageFiles(TABLE))
    write(tmp_path / "again", a_spec(), LanguageFiles(TABLE))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "again").iterdir()
    }


def test_a_segmentation_manifest_says_nothing_of_language(tiny_package):
    assert "language" not in (tiny_package / "manifest.yaml").read_text()
    with pytest.raises(BadModelPackage, match="Use a package exported from a 3DSS-VLG run"):
        load_model_package(tiny_package).text_table()


@pytest.mark.parametrize(
    ("spec", "files"),
    [
        (a_spec(), LanguageFiles(TABLE, word_encoder(), words_json())),
        (WITH_WORDS, LanguageFiles(TABLE)),
        (WITH_WORDS, LanguageFiles(TABLE, word_encoder())),
        (a_spec(image_size=(8, 8)), LanguageFiles(TABLE)),
        (a_spec(), LanguageFiles(TABLE, image_encoder=b"")),
        (a_spec(), None),
        (a_spec(channels=CHANNELS + 1), LanguageFiles(TABLE)),
        (a_spec(text_space="another"), LanguageFiles(TABLE)),
        (a_spec(logit_scale=3.0), LanguageFiles(TABLE)),
        (a_spec(), LanguageFiles(random_table(load_vocabulary("nuscenes16"), CHANNELS + 1))),
        (a_spec(), LanguageFiles(text_table(load_vocabulary("nuscenes16"), np.eye(44), 20.0, "random"))),
        (WITH_WORDS, LanguageFiles(TABLE, b"no model", words_json())),
        (WITH_WORDS, LanguageFiles(TABLE, embedding_network(1).SerializeToString(), words_json())),
        (WITH_WORDS, LanguageFiles(TABLE, word_encoder(), b"[]")),
        (WITH_WORDS, LanguageFiles(TABLE, word_encoder(), words_json(("car", "car")))),
        (WITH_WORDS, LanguageFiles(TABLE, word_encoder(), words_json(("Car",)))),
        (a_spec(tokenizer="clip_bpe", context_length=77), LanguageFiles(TABLE, word_encoder(), b"no gzip")),
    ],
)
def test_files_that_do_not_fit_the_manifest_are_refused_and_nothing_is_written(tmp_path, spec, files):
    with pytest.raises(BadModelPackage, match=r"expected.* found"):
        write(tmp_path / "package", spec, files)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["text_table.npz", "text_encoder.onnx", "words.json"])
def test_a_missing_altered_or_linked_file_is_named(folder, tmp_path, name):
    content = (folder / name).read_bytes()
    for position in range(0, len(content), max(1, len(content) // 40)):
        (folder / name).write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        with pytest.raises(BadModelPackage, match="the file changed after export"):
            load_model_package(folder)
    (folder / name).unlink()
    with pytest.raises(BadModelPackage, match=f"missing .*{name}"):
        load_model_package(folder)
    (tmp_path / "elsewhere").write_bytes(content)
    (folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BadModelPackage, match=f"found links or folders .*{name}"):
        load_model_package(folder)


@pytest.mark.parametrize("name", ["image_encoder.onnx", "bpe_merges.txt.gz", "weights.bin"])
def test_a_file_the_manifest_does_not_speak_of_is_named(folder, name):
    (folder / name).write_bytes(b"")
    with pytest.raises(BadModelPackage, match=f"additional .*{name}"):
        load_model_package(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04 no zip",
        text_table_bytes(random_table(load_vocabulary("nuscenes16"), CHANNELS + 2)),
        text_table_bytes(select(TABLE, load_vocabulary("nuscenes16").model_copy(update={"name": "another"}))),
    ],
    ids=["empty", "no zip", "width", "classes"],
)
def test_another_table_with_the_right_hash_is_refused(folder, content):
    replaced(folder, "text_table.npz", content)
    with pytest.raises(BadModelPackage, match=r"text_table\.npz: expected.* found"):
        load_model_package(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"text_space": ""},
        {"channels": 0},
        {"logit_scale": 0.0},
        {"templates": ()},
        {"templates": ("no place",)},
        {"templates": ("imagenet",)},
        {"tokenizer": "words"},
        {"context_length": 7},
        {"image_size": (0, 8)},
    ],
    ids=str,
)
def test_a_language_that_contradicts_itself_is_refused(change):
    with pytest.raises(ValueError, match="validation error"):
        a_spec(**change)


def test_task_and_language_belong_together():
    manifest = embedding_manifest(TABLE, a_spec(), FEATURES)
    for change in ({"language": None}, {"task": "segmentation"}):
        with pytest.raises(ValueError, match="required for an embedding package and not allowed for any other"):
            type(manifest)(**(dict(manifest) | change))


def test_the_last_linear_layer_is_the_head():
    whole = read_sparse_graph(embedding_network(3))
    trunk, head = split_head(whole)
    assert (trunk.out_channels, trunk.levels, trunk.in_channels) == (12, 2, 3)
    assert head.weight.shape == (12, CHANNELS)
    assert [node.op for node in trunk.nodes] == [node.op for node in whole.nodes if node.op != "linear"]


def test_a_network_that_does_not_end_in_a_linear_layer_has_no_embedding(tmp_path):
    def network(build):
        builder = SparseGraphBuilder(3, 2, "other")
        return builder.finish(build(builder))

    weight, bias = np.ones((3, CHANNELS), np.float32), np.zeros(CHANNELS, np.float32)
    convolution = np.ones((27, 3, CHANNELS), np.float32)
    builders = [
        lambda b: b.sparse_conv("features", "subm0", convolution, bias),
        lambda b: b.relu(b.linear("features", weight, bias)),
        lambda b: "features",
    ]
    for number, build in enumerate(builders):
        with pytest.raises(BadModelPackage, match="last layer is linear"):
            write(tmp_path / f"{number}", a_spec(), LanguageFiles(TABLE), network=network(build))
