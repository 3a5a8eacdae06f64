"""The folded last layer answers as the embeddings would, and a segmenter changes its words between two clouds."""

from threading import Thread

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.cpu.prompt_head import PromptHead
from lidar_vl_core.foundation.errors import BadConfig, BadModelPackage, BadPointCloud, UnknownPrompt
from lidar_vl_core.model_packages.package import load_model_package
from lidar_vl_core.sparse_model.graph import LinearHead
from lidar_vl_core.tasks import prompt_book
from lidar_vl_core.tasks.prompt_book import PromptBook
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import label_embeddings
from lidar_vl_core.words.vocabulary import Vocabulary, VocabularyClass, load_vocabulary, vocabulary_of_prompts
from lidar_vl_core.words.vocabulary_table import text_table
from tests.written.embedding_packages import CHANNELS, WORDS, write_embedding_package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_embedding_package(tmp_path_factory.mktemp("packages") / "tiny")


@pytest.fixture(scope="module")
def segmenter(package):
    return Segmenter(package, threads=1)


def a_cloud(points: int = 2000, seed: int = 1, **extra: np.ndarray) -> PointCloud:
    rng = np.random.default_rng(seed)
    xyz_m = (rng.uniform(-1, 1, (points, 3)) * (27, 27, 3.2)).astype(np.float32)
    return PointCloud(xyz_m, rng.random(points, np.float32), 1, "lidar", extra)


def synonyms(counts: list[int], sinks: int) -> Vocabulary:
    return Vocabulary(
        name="made up",
        classes=tuple(
            VocabularyClass(name=f"{k}", prompts=tuple(f"{k} {i}" for i in range(n)), sink=k >= len(counts) - sinks)
            for k, n in enumerate(counts)
        ),
    )


@settings(max_examples=60)
@given(
    st.sampled_from([(1, 3), (5, 40), (32, 64), (33, 20), (96, 128), (16, 16)]),
    st.lists(st.integers(1, 3), min_size=1, max_size=20),
    st.integers(0, 3),
    st.sampled_from([None, 0.3]),
    st.booleans(),
    st.integers(0, 1000),
    st.sampled_from([1, 2]),
)
def test_folded_prompts_answer_as_the_embeddings_do(shape, counts, sinks, threshold, biased, seed, threads):
    features_count, channels = shape
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=shape).astype(np.float32)
    head = LinearHead(weight, (0.5 * biased * rng.normal(size=channels)).astype(np.float32))
    vocabulary = synonyms(counts, min(sinks, len(counts) - 1))
    table = text_table(vocabulary, rng.normal(size=(sum(counts), channels)), 20.0, "made up", threshold)
    features = rng.normal(size=(300, features_count)).astype(np.float32)
    features[3, 0], features[4] = np.nan, 0.0
    point_to_voxel = np.concatenate([np.arange(300), [-1, 7, 7]]).astype(np.int32)
    prompts = PromptHead(head, table)
    found, sure = prompts.label_points(features, point_to_voxel, threads)
    expected, probability = label_embeddings(prompts.embeddings(features), table)
    edge = np.abs(probability - (threshold or 2.0)) < 1e-4  # a class below a threshold has probability 0: no edge then
    clear = (np.abs(sure[:300] - probability) < 1e-3) & ~edge
    assert clear.mean() > 0.98  # a tie of two classes, or the threshold, may tip
    assert np.mean(found[:300] == expected) > 0.98
    assert found[3] == 255
    assert (found[300], sure[300]) == (255, 0)
    assert found[301] == found[302] == found[7]
    if not biased:
        assert found[4] == 255


@pytest.mark.parametrize("engine", ["fused", "onnxruntime"])
def test_every_engine_labels_by_the_text_table(package, engine):
    segmenter, cloud = Segmenter(package, engine, threads=1), a_cloud()
    labels = segmenter.segment(cloud)
    expected, probability = label_embeddings(segmenter.embeddings(cloud), package.text_table())
    assert np.mean(labels.class_id == expected) > 0.999
    np.testing.assert_allclose(labels.probability, probability, atol=1e-4)
    assert labels.classes == segmenter.classes == package.classes


def test_embeddings_are_the_models_own_output(package, segmenter):
    from lidar_vl_core.engines.session import open_session
    from lidar_vl_core.voxels.features import voxel_features
    from lidar_vl_core.voxels.grid import voxelise
    from lidar_vl_core.voxels.kernel_maps import build_kernel_maps

    cloud = a_cloud()
    voxels = voxelise(cloud.xyz_m, package.grid)
    features = voxel_features(cloud.xyz_m, cloud.intensity, voxels, package.grid, package.manifest.features)
    rows = open_session(package, "onnxruntime", 1).run(features, build_kernel_maps(voxels.coords, 2))
    inside = voxels.point_to_voxel >= 0
    found = segmenter.embeddings(cloud)
    assert found.shape == (len(cloud), CHANNELS)
    assert np.isnan(found[~inside]).all()
    np.testing.assert_allclose(found[inside], rows[voxels.point_to_voxel[inside]], atol=1e-4)


def test_new_words_hold_from_the_next_cloud_on(package):
    segmenter, cloud = Segmenter(package, threads=1), a_cloud()
    segmenter.set_words(["car", "red dog", "a red excavator"])
    labels = segmenter.segment(cloud)
    assert labels.classes.names == segmenter.classes.names == ("car", "red dog", "a red excavator")
    assert set(np.unique(labels.class_id)) <= {0, 1, 2, 255}
    segmenter.set_words(load_vocabulary("nuscenes16"))
    assert np.array_equal(segmenter.segment(cloud).class_id, Segmenter(package, threads=1).segment(cloud).class_id)


def test_words_asked_for_again_and_again_fill_no_memory(package, monkeypatch):
    monkeypatch.setattr(prompt_book, "_MOST_LEARNED", 2)
    book = PromptBook(package)
    first = book.table_of(["red dog", "a red excavator", "red car", "car"])
    book.table_of(["dog"])
    assert len(book._rows) <= len(book.known_prompts) + 2
    again = book.table_of(["red dog", "a red excavator", "red car", "car"])
    assert np.array_equal(again.embeddings, first.embeddings)


def test_words_that_were_embedded_elsewhere_are_not_embedded_again_however_many_they_are(package, monkeypatch):
    monkeypatch.setattr(prompt_book, "_MOST_LEARNED", 2)
    book, words = PromptBook(package), vocabulary_of_prompts(["red dog", "a red excavator", "red car", "car"])
    to_embed = book.to_embed(words)
    assert to_embed == ("red dog", "a red excavator", "red car")
    monkeypatch.setattr(PromptBook, "_open_encoder", None)
    for prompt in to_embed:
        book.learn([prompt], np.ones((1, CHANNELS), np.float32) / np.sqrt(CHANNELS))
    assert book.table_of(words).prompts == words.prompts
    assert book.to_embed(vocabulary_of_prompts(["dog", "red dog"])) == ("dog", "red dog")


def test_words_that_another_thread_makes_the_book_forget_while_they_are_embedded_are_answered(package, monkeypatch):
    monkeypatch.setattr(prompt_book, "_MOST_LEARNED", 2)
    book, asked = PromptBook(package), ["red dog", "a red excavator", "red car", "car"]
    expected = book.table_of(asked)
    book, learn = PromptBook(package), PromptBook.learn

    def learn_and_forget(self, prompts, rows):
        learn(self, prompts, rows)
        self.to_embed(vocabulary_of_prompts(["dog"]))

    monkeypatch.setattr(PromptBook, "learn", learn_and_forget)
    assert np.array_equal(book.table_of(asked).embeddings, expected.embeddings)


def test_words_nobody_can_embed_leave_the_old_ones(package):
    segmenter = Segmenter(package, threads=1)
    segmenter.set_words(["car", "tree"])
    with pytest.raises(UnknownPrompt, match=f"{', '.join(WORDS)}; found 'purple'"):
        segmenter.set_words(["purple dog"])
    for wrong in ([], ["car", "Car "], [" "]):
        with pytest.raises(BadConfig):
            segmenter.set_words(wrong)
    assert segmenter.classes.names == ("car", "tree")


def test_without_a_text_encoder_the_known_words_are_listed(tmp_path):
    segmenter = Segmenter(write_embedding_package(tmp_path / "closed", with_encoder=False), threads=1)
    assert "traffic cone" in segmenter.known_prompts
    segmenter.set_words(["tree", "traffic cone"])
    with pytest.raises(UnknownPrompt, match=r"tree trunk.*found 'dog'\. This package has no text encoder"):
        segmenter.set_words(["tree", "dog"])


def test_a_cloud_in_work_keeps_the_words_it_began_with(package):
    """A callback changes the words while a worker segments: every answer is of one list, and says of which."""
    segmenter, cloud = Segmenter(package, threads=1), a_cloud(300)
    lists = {("car", "tree"): 0, ("road", "car", "tree", "red dog"): 0}
    expected = {}
    for names in lists:
        segmenter.set_words(names)
        expected[names] = segmenter.segment(cloud).class_id

    running = True

    def change() -> None:
        while running:
            for names in lists:
                segmenter.set_words(names)

    caller = Thread(target=change)
    caller.start()
    try:
        for _ in range(60):
            labels = segmenter.segment(cloud)
            assert np.array_equal(labels.class_id, expected[labels.classes.names])
    finally:
        running = False
        caller.join()


def test_a_segmentation_package_knows_no_words(tiny_package):
    segmenter = Segmenter(load_model_package(tiny_package), threads=1)
    for ask in (
        lambda: segmenter.set_words(["car"]),
        lambda: segmenter.known_prompts,
        lambda: segmenter.embeddings(a_cloud(10)),
    ):
        with pytest.raises(BadModelPackage, match="expected a package of task embedding, found segmentation"):
            ask()


def test_a_network_that_reads_colours_gets_them_or_says_so(tmp_path):
    package = write_embedding_package(tmp_path / "coloured", features=("one", "red", "green", "blue"))
    segmenter = Segmenter(package, threads=1)
    segmenter.warm_up()
    rgb = np.random.default_rng(2).integers(0, 256, (500, 3)).astype(np.uint8)
    packed = (rgb[:, 0].astype(np.uint32) << 16) | (rgb[:, 1].astype(np.uint32) << 8) | rgb[:, 2]
    rows = segmenter.embeddings(a_cloud(500, rgb=rgb))
    assert np.array_equal(rows, segmenter.embeddings(a_cloud(500, rgb=packed.view(np.float32))), equal_nan=True)
    assert not np.allclose(rows, segmenter.embeddings(a_cloud(500, rgb=255 - rgb)), equal_nan=True)
    for extra in ({}, {"rgb": np.zeros(500, np.uint16)}):
        with pytest.raises(BadPointCloud, match="expected the colours of 500 points, found none"):
            segmenter.segment(a_cloud(500, **extra))


def test_what_is_to_be_embedded_is_told_without_embedding_and_is_known_once_learned(package):
    book = PromptBook(package)
    words = vocabulary_of_prompts(["car", "red dog", "tree", "dog"])
    assert book.to_embed(words) == ("red dog", "dog")
    assert book._encoder is None
    rows = PromptBook(package).table_of(words).embeddings
    book.learn(["red dog"], rows[1:2])
    assert book.to_embed(words) == ("dog",)
    book.learn(["dog"], rows[3:])
    assert book.to_embed(words) == ()
    np.testing.assert_allclose(book.table_of(words).embeddings, rows, atol=1e-6)
    assert book._encoder is None
    with pytest.raises(UnknownPrompt, match="found 'purple'"):
        book.to_embed(vocabulary_of_prompts(["purple dog"]))
