"""Where a text fits: numbers and picture."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest

from lidar_vl_core.bags.writing.bag_writer import BagWriter
from lidar_vl_core.clouds.labelled_message import labelled_message
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.cli import main
from lidar_vl_core.commands.query import query, query_figure
from lidar_vl_core.foundation.errors import BadConfig
from lidar_vl_core.tasks.point_labels import PointLabels
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import unit_rows
from tests.written.embedding_packages import write_embedding_package


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    return write_embedding_package(tmp_path_factory.mktemp("packages") / "tiny")


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(1)
    xyz_m = (rng.uniform(-1, 1, (4000, 3)) * (27, 27, 2.5)).astype(np.float32)
    xyz_m[7] = np.nan
    return PointCloud(xyz_m, rng.random(4000, np.float32), 1_000_000_000, "lidar")


@pytest.fixture(scope="module")
def cloud_file(cloud, tmp_path_factory):
    path = tmp_path_factory.mktemp("clouds") / "cloud.npz"
    np.savez(path, xyz_m=cloud.xyz_m, intensity=cloud.intensity)
    return path


def test_similarity_is_the_cosine_and_the_best_points_are_counted(package, cloud):
    segmenter = Segmenter(package, threads=1)
    answer = query(cloud, "Traffic cone", segmenter)
    table = package.text_table()
    cosine = unit_rows(segmenter.embeddings(cloud)) @ table.embeddings.T
    row = table.prompts.index("traffic cone")
    np.testing.assert_allclose(answer.similarity, cosine[:, row], atol=1e-5)
    known = np.isfinite(cosine[:, 0])
    assert np.isnan(answer.similarity[7])
    assert np.mean(answer.fits[known] == (cosine[known].argmax(axis=1) == row)) > 0.999
    assert not answer.fits[~known].any()
    assert answer.others == f"the package's {len(table.prompts) - 1} other words"


def test_relevance_is_the_probability_against_the_best_of_the_negative_words(package, cloud):
    segmenter = Segmenter(package, threads=1)
    answer = query(cloud, "car", segmenter, ["tree", "red dog"])
    asked = segmenter.table_of(["car", "tree", "red dog"])
    logits = asked.logit_scale * unit_rows(segmenter.embeddings(cloud)) @ asked.embeddings.T
    pairwise = [np.exp(logits[:, 0]) / (np.exp(logits[:, 0]) + np.exp(logits[:, other])) for other in (1, 2)]
    np.testing.assert_allclose(answer.relevance, np.minimum(*pairwise), atol=1e-4)
    assert answer.others == "'tree', 'red dog'"
    with pytest.raises(BadConfig, match="negative words"):
        query(cloud, "car", segmenter, ["Car"])
    spaced = query(cloud, " car ", segmenter, [" tree", "red dog "])
    np.testing.assert_array_equal(spaced.relevance, answer.relevance)
    with pytest.raises(BadConfig, match="negative words: prompts"):
        query(cloud, "car", segmenter, ["red\ndog"])


def test_where_nothing_fits_the_picture_stays_cold(package, cloud):
    answer = query(cloud, "car", Segmenter(package, threads=1))
    nothing = replace(answer, relevance=np.full(len(cloud), 0.3, np.float32))
    body = np.asarray(query_figure(cloud, nothing)).astype(int)[34:-44]
    assert np.abs(body[..., 0] - body[..., 1]).max() < 30  # grey all over, whatever the cosines' range
    assert nothing.share == 0.0


def test_a_cloud_out_of_range_is_answered_without_numbers(package):
    far = PointCloud(np.full((5, 3), 500, np.float32), np.zeros(5, np.float32), 1, "lidar")
    answer = query(far, "red dog", Segmenter(package, threads=1))
    assert answer.summary() == ["'red dog': no point in the network's range"]
    query_figure(far, answer)


def test_the_point_that_fits_best_is_the_reddest(package):
    xyz_m = np.array([[5, 5, 0], [5, -5, 0], [-5, 5, 0], [-5, -5, 0], [20, 0, 0], [-20, 0, 0]], np.float32)
    cloud = PointCloud(xyz_m, np.linspace(0, 1, 6, dtype=np.float32), 1, "lidar")
    relevance = np.array([0.6, 0.55, 0.3, 0.7, 0.5, 0.95], np.float32)
    answer = replace(query(cloud, "car", Segmenter(package, threads=1)), relevance=relevance)
    picture = np.asarray(query_figure(cloud, answer)).astype(int)
    body = picture[34:-44]
    redness = body[..., 0] - body[..., 1]
    best = cloud.xyz_m[int(np.argmax(answer.relevance))]
    row, _ = np.unravel_index(redness.argmax(), redness.shape)
    assert np.sign(len(body) / 2 - row) == np.sign(best[0])
    assert redness.max() > 100


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def test_the_command_draws_and_prints(package, cloud_file, tmp_path, capsys):
    from PIL import Image

    out = tmp_path / "dog.png"
    code, shown, _ = run(capsys, "query", cloud_file, "red dog", "--model", package.path, "--out", out)
    assert code == 0
    assert "'red dog': cosine quantiles 5 % " in shown
    assert "44 other words" in shown
    assert Image.open(io.BytesIO(out.read_bytes())).size == (900, 978)


@pytest.mark.parametrize(
    ("text", "model", "name", "message"),
    [
        ("car", "demo", "x.png", "expected a package of task embedding, found segmentation"),
        ("purple", None, "x.png", "found 'purple'. Use words it knows"),
        ("car", None, "x.jpg", "expected a name ending in .png"),
        ("", None, "x.png", "expected words to look for"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_in_one_line(
    package, cloud_file, tmp_path, capsys, text, model, name, message
):
    out = tmp_path / name
    code, shown, error = run(capsys, "query", cloud_file, text, "--model", model or package.path, "--out", out)
    assert (code, shown) == (2, "")
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_segment_takes_prompts_or_a_vocabulary(package, cloud_file, tmp_path, capsys):
    segment = ["segment", cloud_file, "--model", package.path, "--out", tmp_path / "labels.npz", "--overwrite"]
    code, shown, _ = run(capsys, *segment, "--prompts", "car, red dog ,tree")
    assert code == 0
    assert "red dog" in shown
    assert set(np.unique(np.load(tmp_path / "labels.npz")["class_id"])) <= {0, 1, 2, 255}
    (tmp_path / "words.yaml").write_text(
        "name: mine\nclasses: [{name: plants, prompts: [tree, dog]}, {name: car, sink: true}]\n"
    )
    code, shown, _ = run(capsys, *segment, "--vocabulary", tmp_path / "words.yaml")
    assert code == 0
    assert set(np.unique(np.load(tmp_path / "labels.npz")["class_id"])) <= {0, 255}
    for words in (
        ["--prompts", "car,,tree"],
        ["--prompts", "car,car"],
        ["--prompts", "purple"],
        ["--vocabulary", "absent"],
    ):
        code, _, error = run(capsys, *segment, *words)
        assert (code, error.count("\n")) == (2, 1)


def test_replay_takes_prompts_and_measures_their_classes(package, cloud, tmp_path, capsys):
    with BagWriter(tmp_path / "street.mcap") as bag:
        labels = PointLabels(np.zeros(len(cloud), np.uint8), np.zeros(len(cloud), np.float32), {})
        bag.write("/points", "sensor_msgs/msg/PointCloud2", cloud.stamp_ns, labelled_message(cloud, labels))
    arguments = ["replay", tmp_path / "street.mcap", "--model", package.path, "--out", tmp_path / "out"]
    code, _, error = run(capsys, *arguments, "--prompts", "car,tree,red dog")
    assert code == 0, error
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["classes"] == ["car", "tree", "red dog"]
    assert "red dog" in (tmp_path / "out" / "report.html").read_text()
