"""The report as a browser shows it: nothing fetched, nothing complained of, wide and narrow, its controls at work."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lidar_vl_core.boxes.boxes3d import Boxes3d
from lidar_vl_core.classes.known_tables import class_table
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.commands.report_page.report import report
from lidar_vl_core.evaluation.evaluation import Evaluation, LabelledFrame
from tests.chromium import Page, opened_page

NUSCENES_16, NUSCENES_10 = class_table("nuscenes16"), class_table("nuscenes10")
RUN = {
    "model": "tiny",
    "engine": "fused",
    "bag": "street.mcap",
    "box_topic": "/boxes",
    "latency_is": "inside the segmenter",
    "warnings": ["the sensor looks unlike the training data"],
    "skipped": [],
    "provenance": {"command": "lidar-vl replay " + "a/very/long/folder/" * 20 + "street.mcap"},
}
# Plotly measures text on a canvas; it is advice to its makers, not about the page.
ADVICE = "Canvas2D: Multiple readback operations"
CAR, TRUCK = 3, 9
POINTS = 120  # per frame: 40 cars, 40 trucks, 40 without truth; frame k has 10 k trucks taken for cars
VIEW = "document.getElementById('view-plot').dataset"


def found(others: int) -> Boxes3d:
    """Two cars, one too unsure to be shown, and buses 8 m apart."""
    boxes = [[8.0 * k, 5.0, 0.0, 4.0, 2.0, 1.5, 0.3 * k] for k in range(2 + others)]
    score = np.where(np.arange(2 + others) == 1, 0.2, 0.9)
    return Boxes3d.of(boxes, [0, 0, *[3] * others], score, frame_id="lidar")


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    evaluation, rng = Evaluation(NUSCENES_16, 4, NUSCENES_10), np.random.default_rng(1)
    truth = np.repeat(np.array([CAR, TRUCK, 255], np.uint8), 40)
    for index in range(4):
        prediction = np.where(truth == 255, 15, truth).astype(np.uint8)
        prediction[40 : 40 + 10 * index] = CAR
        xyz_m = rng.uniform(-30, 30, (POINTS, 3)).astype(np.float32)
        cloud = PointCloud(xyz_m, np.zeros(POINTS, np.float32), index, "lidar")
        confidence = np.linspace(0.2, 1.0, POINTS, dtype=np.float32)
        boxes = found(index), found(1)  # one of the other class is true
        evaluation.add(LabelledFrame(index, cloud, prediction, truth, (), {"total": 10.0 + index}, confidence, *boxes))
    told = evaluation.shown(), evaluation.viewed(), NUSCENES_16, "# Card", NUSCENES_10
    html = report("Replay", evaluation.metrics() | RUN, *told)
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(html)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened_page(tmp_path_factory.mktemp("profile")) as page:
        yield page


def shown(browser: Page, path: Path, width_px: int = 1280, fragment: str = "") -> None:
    browser.open(path, width_px, fragment=fragment)
    browser.wait_for(f"{VIEW}.drawn || {VIEW}.failed")
    assert not browser.value(f"{VIEW}.failed || ''")


@pytest.mark.slow
@pytest.mark.parametrize("width_px", [1280, 400])
def test_the_page_is_quiet_whole_and_as_wide_as_the_window(browser: Page, page_file: Path, width_px: int) -> None:
    shown(browser, page_file, width_px)
    assert [text for text in browser.complaints if not text.startswith(ADVICE)] == []
    assert browser.fetched == []
    assert browser.value("document.documentElement.scrollWidth") == width_px
    assert browser.value("document.images.length > 0 && [...document.images].every(i => i.naturalWidth > 0)")
    titles = "[...document.querySelectorAll('h1, h2, .upright div')]"
    clipped = f"{titles}.filter(t => t.getBoundingClientRect().left < 0 || t.getBoundingClientRect().top < 0)"
    assert browser.value(f"{clipped}.map(t => t.textContent)") == []
    if width_px == 400:  # the titles of sections wrap inside the window
        assert browser.value("[...document.querySelectorAll('h2')].every(t => t.getBoundingClientRect().right <= 400)")


@pytest.mark.slow
@pytest.mark.parametrize("width_px", [1280, 500])
def test_every_number_stands_under_its_heading(browser: Page, page_file: Path, width_px: int) -> None:
    shown(browser, page_file, width_px)
    seen = "[...row.cells].filter(cell => cell.offsetWidth > 0)"
    edges = f"(row => {seen}.map(cell => Math.round(cell.getBoundingClientRect().right)).join())"
    tables = "[...document.querySelectorAll('table.plain')].filter(table => table.querySelector('td.number'))"
    assert browser.value(f"{tables}.length") >= 5
    shifted = f"{tables}.filter(table => new Set([...table.rows].map({edges})).size > 1)"
    assert browser.value(f"{shifted}.map(table => table.innerText)") == []


@pytest.mark.slow
def test_slider_colours_and_classes_change_what_is_drawn(browser: Page, page_file: Path) -> None:
    shown(browser, page_file, fragment="#frame=1&colour=error")
    assert browser.value(f"[{VIEW}.frame, {VIEW}.colour, {VIEW}.drawn]") == ["1", "error", str(POINTS)]
    browser.value("[...document.querySelectorAll('#view-kinds button')].find(b => b.textContent === 'wrong').click()")
    browser.wait_for(f"{VIEW}.drawn === '{POINTS - 10}'")
    browser.value("document.querySelector('#view-colours [value=prediction]').click()")
    browser.wait_for(f"{VIEW}.colour === 'prediction' && {VIEW}.drawn === '{POINTS}'")
    browser.value("[...document.querySelectorAll('#view-classes button')].find(b => b.textContent === 'car').click()")
    browser.wait_for(f"{VIEW}.drawn === '{POINTS - 50}'")
    slider = "const s = document.getElementById('view-frame'); s.value = 3; s.dispatchEvent(new Event('input'))"
    browser.value(f"(() => {{ {slider} }})()")
    browser.wait_for(f"{VIEW}.frame === '3' && {VIEW}.drawn === '{POINTS - 70}'")


@pytest.mark.slow
def test_boxes_stand_among_the_points_and_a_click_hides_those_of_a_class(browser: Page, page_file: Path) -> None:
    shown(browser, page_file, fragment="#frame=3")
    chips = "[...document.querySelectorAll('#view-boxes button')]"
    assert browser.value(f"{chips}.map(b => b.textContent)") == ["3 true boxes", "1 car found", "3 bus found"]
    assert browser.value(f"{VIEW}.boxes") == "7"
    browser.value(f"{chips}.find(b => b.textContent === '3 bus found').click()")
    browser.wait_for(f"{VIEW}.boxes === '4'")
    browser.value(f"{chips}.find(b => b.textContent.includes('true')).click()")
    browser.wait_for(f"{VIEW}.boxes === '1'")
    assert browser.value(f"{chips}.map(b => b.getAttribute('aria-pressed'))") == ["false", "true", "false"]
    browser.value("document.getElementById('view-before').click()")
    browser.wait_for(f"{VIEW}.frame === '2' && {VIEW}.boxes === '1'")


@pytest.mark.slow
def test_best_and_worst_frame_are_named_and_lead_to_the_view(browser: Page, page_file: Path) -> None:
    shown(browser, page_file)
    links = "[...document.querySelectorAll('.tile')].filter(t => t.querySelector('a'))"
    assert browser.value(f"{links}.map(t => t.querySelector('span').textContent + t.querySelector('a').hash)") == [
        "best frame#frame=0",
        "worst frame#frame=3",
    ]
    browser.value(f"{links}[1].querySelector('a').click()")
    browser.wait_for(f"{VIEW}.frame === '3'")


@pytest.mark.slow
def test_a_script_that_somebody_else_put_there_does_not_run(browser: Page, page_file: Path) -> None:
    shown(browser, page_file)
    put = "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.head.append(s)"
    browser.value(f"(() => {{ {put} }})()")
    assert browser.value("window.ran === undefined")
    browser.complaints.clear()  # of that script
