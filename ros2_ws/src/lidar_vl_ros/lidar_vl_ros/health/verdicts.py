"""Verdicts on what happened to the clouds: input, transport, processing and transforms. No ROS here."""

from collections.abc import Iterator

import numpy as np

from lidar_vl_ros.health.health import ERROR, OK, WARN, Report, Since

# Which counters stand in which status; trouble first, in the order it is named.
_INPUT_TROUBLES = ("bad", "unpaired", "stale", "ahead", "thinned", "unmerged")
_PROCESSING_TROUBLES = ("failed", "faults", "replaced", "without_images", "other_engine", "partial")
_TF_TROUBLES = ("unplaced", "unjoined", "uncompensated")
_ENDS = ("served", "discarded", "unwatched", "waiting")


def verdicts(found: Since) -> Iterator[tuple[str, Report]]:
    """The four reports by name; a node that does not serve only has to say so."""
    yield "input", _input(found)
    yield "transport", _transport(found)
    yield "processing", _processing(found)
    yield "tf", _tf(found)


def _input(found: Since) -> Report:
    values = _values(found, ("received", *_INPUT_TROUBLES, "jumps"))
    if found.duration_s > 0:
        values["received_per_s"] = f"{found.since['received'] / found.duration_s:.1f}"
    if found.state != "active":
        return Report(OK, f"not listening: {found.state}", values)
    if found.silent_s is not None:
        return Report(ERROR, f"no input for {found.silent_s:.0f} s", values)
    if told := _told(found, _INPUT_TROUBLES):
        nothing_else = (found.since["bad"] or found.since["unpaired"] or found.since["stale"]) and not found.since[
            "served"
        ]
        return Report(ERROR if nothing_else else WARN, told, values)
    return Report(OK, f"{found.since['received']} clouds since the last report", values)


def _transport(found: Since) -> Report:
    values = _values(found, ("lost",))
    lost, received = found.since["lost"], found.since["received"]
    if not lost:
        return Report(OK, "nothing lost", values)
    text = f"{lost} of {lost + received} clouds lost before they reached this node: start the sender with the package's Fast DDS profile"
    return Report(ERROR if lost > received else WARN, text, values)


def _processing(found: Since) -> Report:
    values = {"state": found.state, **_values(found, (*_ENDS, *_PROCESSING_TROUBLES, "delayed", "refused"))}
    values["delays_in_a_row"] = str(found.delays_in_a_row)
    if found.duration_s > 0:
        values["served_per_s"] = f"{found.since['served'] / found.duration_s:.1f}"
    for name, samples in (("processing_ms", found.processing_ms), ("latency_ms", found.latency_ms)):
        for percent in (50, 95, 99) if len(samples) else ():
            values[f"{name}_p{percent}"] = f"{np.percentile(samples, percent):.1f}"
    return Report(*_verdict_on_processing(found), values)


def _verdict_on_processing(found: Since) -> tuple[int, str]:
    since, limits = found.since, found.limits
    if found.state == "warming up":
        return OK, "warming up: clouds are processed as soon as the model is ready"
    if found.state != "active":
        wrong = found.counts["refused"] and found.state == "unconfigured"
        return (ERROR if wrong else WARN), f"not serving: {found.state}"
    if told := _told(found, _PROCESSING_TROUBLES):
        return (ERROR if since["failed"] and not since["served"] else WARN), told
    if found.delays_in_a_row >= limits.max_consecutive_delays:
        return ERROR, f"{found.delays_in_a_row} clouds in a row took more than {limits.max_processing_ms:.0f} ms"
    if since["delayed"]:
        return WARN, f"{since['delayed']} of {since['served']} clouds took more than {limits.max_processing_ms:.0f} ms"
    return OK, "serving" if since["served"] else "waiting for input, or for a subscriber"


def _tf(found: Since) -> Report:
    told = _told(found, _TF_TROUBLES)
    return Report(WARN if told else OK, told or "all requested transforms were available", _values(found, _TF_TROUBLES))


def _told(found: Since, troubles: tuple[str, ...]) -> str:
    """What went wrong since the last report; empty if nothing did."""
    happened = [f"{found.since[name]} {name}" for name in troubles if found.since[name]]
    return "since the last report: " + ", ".join(happened) if happened else ""


def _values(found: Since, names: tuple[str, ...]) -> dict[str, str]:
    values = {name: str(found.counts[name]) for name in names}
    problems = [text for what, text in found.last_problem.items() if what in names]
    return values | ({"last_problem": problems[-1]} if problems else {})
