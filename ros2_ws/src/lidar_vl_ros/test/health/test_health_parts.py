"""What the diagnostics say of a model's answers, of memory, and of all cameras together."""

import numpy as np
from lidar_vl_ros.health import memory_health
from lidar_vl_ros.health.answer_statistics import AnswerStatistics
from lidar_vl_ros.health.camera_health import cameras_report
from lidar_vl_ros.health.health import ERROR, OK, WARN, Report
from lidar_vl_ros.health.memory_health import MemoryHealth

NAMES = ("car", "road", "tree")


def _seen(statistics: AnswerStatistics, clouds: int, class_id: list[int], probability: float) -> None:
    for _ in range(clouds):
        statistics.add(np.array(class_id, np.uint8), np.full(len(class_id), probability, np.float32), NAMES)


def test_the_histogram_is_of_answered_points_and_names_the_classes():
    statistics = AnswerStatistics()
    assert statistics.report().message == "no answers so far"
    _seen(statistics, 3, [1, 1, 1, 0, 255, 255], 0.75)
    report = statistics.report()
    assert (report.level, report.message) == (OK, "mean probability 0.75, mostly road")
    assert (report.values["share road"], report.values["share car"]) == ("0.750", "0.250")
    assert "share tree" not in report.values
    assert (report.values["confidence_drift"], report.values["histogram_drift"]) == ("+0.000", "0.000")


def test_less_sure_answers_than_usual_are_a_warning_and_other_classes_alone_are_not():
    statistics = AnswerStatistics()
    _seen(statistics, 500, [1, 1], 0.875)
    _seen(statistics, 50, [2, 2], 0.875)
    report = statistics.report()
    assert (report.level, report.values["histogram_drift"]) == (OK, "0.909")  # 1 - 50 / 550
    _seen(statistics, 50, [2, 2], 0.5)
    assert statistics.report().level == WARN


def test_other_words_begin_anew_and_clouds_without_answers_say_nothing():
    statistics = AnswerStatistics()
    _seen(statistics, 3, [255], 0.0)
    assert statistics.report().level == OK
    _seen(statistics, 100, [1], 0.875)
    statistics.add(np.zeros(2, np.uint8), np.full(2, 0.25, np.float32), ("fallen tree",))
    report = statistics.report()
    assert (report.level, report.message) == (OK, "mean probability 0.25, mostly fallen tree")


def test_the_heap_is_given_back_once_a_large_cloud_is_found_to_have_been_a_rare_one(monkeypatch):
    given_back = []
    monkeypatch.setattr(memory_health, "_give_back_freed", lambda: given_back.append(True) or True)
    memory = MemoryHealth()
    for points in (100, 1000, *[100] * 49):
        assert not memory.answered(points)
    assert memory.answered(100)
    assert not any(memory.answered(100) for _ in range(100))
    assert given_back == [True]
    values = memory.report().values
    assert (values["trims"], values["largest_cloud_points"]) == ("1", "1000")


def test_memory_is_read_from_proc_and_scarce_memory_is_told(monkeypatch):
    report = MemoryHealth().report()
    assert (report.level, float(report.values["rss_mb"]) > 10) == (OK, True)
    for left, level in ((200, OK), (90, WARN), (20, ERROR)):
        monkeypatch.setattr(memory_health, "_left_and_total_mb", lambda machine, left=left: (left, 1000))
        assert MemoryHealth().report().level == level


def test_a_container_s_limit_counts_where_it_is_below_the_machine_s_memory(monkeypatch):
    files = {"memory.max": 500_000_000, "memory.current": 400_000_000}
    monkeypatch.setattr(memory_health, "_number", lambda path: files[path.name])
    machine = {"MemAvailable": 1_000_000, "MemTotal": 2_000_000}
    assert memory_health._left_and_total_mb(machine) == (100.0, 500.0)


def test_all_cameras_in_one_line_name_the_first_with_trouble_and_have_the_worst_level():
    well, slow, dead = Report(OK, "fine", {}), Report(WARN, "late", {}), Report(ERROR, "silent", {})
    assert cameras_report({"camera front": well}, 0).message == "1 in step"
    report = cameras_report({"camera front": well, "camera left": slow, "camera rear": dead}, 7)
    assert (report.level, report.values["unpaired"]) == (ERROR, "7")
    assert report.message == "2 of 3 have a problem: camera left: late"
