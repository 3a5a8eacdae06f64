"""The report of a guided run: one HTML file with its images, for people. Reads images that the stages wrote."""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from shlex import quote
from typing import Any

from lidar_vl_core.commands.report_page.report_style import STYLE
from lidar_vl_core.foundation.errors import shortened
from offline_training.from_bags.asked import Asked
from offline_training.pretraining.base.config import PretrainConfig

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_OF_NETWORK = (
    "network", "stem", "stem_kernel", "planes", "blocks", "grid_kind", "voxel_size", "point_cloud_range", "features"
)  # fmt: skip
_SMOOTH = 20  # points that the loss curve has at least


def page(
    asked: Asked, config: PretrainConfig, found: Mapping[str, Any], seconds: Mapping[str, float],
    told: Sequence[str], choice: str,
) -> str:  # fmt: skip
    """The page. found: of each stage, by name; told: the conclusions; choice: why this method."""
    checked, probed, trained = found["check"], found["probe"], found["pretrain"]
    sections = [
        _tiles(checked, trained, probed),
        _section("What the figures say", _list([*told, f"Method: {choice}"])),
        _section(
            "Features of a held-out cloud, from above",
            _image(asked.folder / "features.png", "features as colours")
            + '<p class="note">What looks alike to a network has one colour. Useful features colour things: cars, walls and road '
            "apart, not rings of distance or single beams.</p>",
        ),
        _section("Loss", _figure(_loss_curve(trained["losses"]), "loss of each step")),
        _classes(probed),
        _labels(asked, found["labels"]),
        _recordings(checked),
        _section("Stages", _table(("stage", "seconds"), [(name, f"{each:,.1f}") for name, each in seconds.items()])),
        _section("What to do next", _next(config, trained["checkpoint"])),
    ]
    title = f"Pre-trained from {len(asked.bags)} recording{'s' if len(asked.bags) > 1 else ''}"
    subtitle = ", ".join(Path(bag).name for bag in asked.bags)
    return (
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>'
        f"<body><header><h1>{escape(title)}</h1><p>{escape(shortened(subtitle))}</p></header><main>{''.join(sections)}</main></body></html>\n"
    )


def _tiles(checked: Mapping[str, Any], trained: Mapping[str, Any], probed: Mapping[str, Any]) -> str:
    bags, pretrained = checked["bags"], probed["pretrained"]
    cameras = sorted({camera for bag in bags for camera in bag["cameras"]})
    tiles = [
        (
            "clouds",
            f"{sum(len(bag['train']) for bag in bags):,}",
            f"{sum(len(bag['held_out']) for bag in bags):,} held out",
        ),
        ("cameras", f"{len(cameras)}", shortened(", ".join(cameras)) or "none"),
        ("steps", f"{trained['steps']:,}", f"last loss {trained['losses'][-1]:.3f}" if trained["losses"] else ""),
        ("effective rank", f"{pretrained['effective_rank']:.1f}", f"of {probed['feature_channels']} channels"),
        ("found again", f"{100 * pretrained['repeatability']:.0f} %", "of points, after a turn"),
    ]
    if "mean_iou" in pretrained:
        kind = "linear probe" if probed["labels"] == "truth" else "agreement with weak classes"
        tiles.append(("mean IoU", f"{100 * pretrained['mean_iou']:.1f} %", kind))
    cells = "".join(
        f'<div class="tile"><span>{escape(name)}</span><strong>{escape(value)}</strong><small>{escape(note)}</small></div>'
        for name, value, note in tiles
    )
    return f'<section class="tiles">{cells}</section>'


def _classes(probed: Mapping[str, Any]) -> str:
    iou, fresh = probed["pretrained"].get("iou"), probed["fresh"].get("iou", {})
    if not iou:
        return ""
    rows = [(name, f"{100 * value:.1f}", f"{100 * fresh.get(name, 0.0):.1f}") for name, value in iou.items()]
    title = "Linear probe by class" if probed["labels"] == "truth" else "Agreement with the weak classes"
    return _section(title, _table(("class", "IoU %, pre-trained", "IoU %, random weights"), rows))


def _labels(asked: Asked, labelled: Mapping[str, Any]) -> str:
    preview = asked.folder / "weak_labels/preview.png"
    image = _image(preview, "weak labels of some images") if preview.is_file() else ""
    return _section("Weak labels", f"<pre>{escape(chr(10).join(labelled['lines']))}</pre>{image}")


def _recordings(checked: Mapping[str, Any]) -> str:
    parts = []
    for bag in checked["bags"]:
        summary = f"{bag['bag']}: {bag['clouds']:,} clouds on {bag['topic']}"
        parts.append(f"<h3>{escape(shortened(summary))}</h3>{_list(bag['findings'])}")
    return _section("Recordings", "".join(parts))


def _next(config: PretrainConfig, checkpoint: str) -> str:
    """How to fine-tune it, with the same network on the same grid: every key that decides over its weights and inputs."""
    keys = {name: getattr(config, name) for name in _OF_NETWORK if getattr(config, name) is not None}
    told = [
        f"{name}={json.dumps(value)}" for name, value in {"start_from": str(Path(checkpoint).parent), **keys}.items()
    ]
    command = " \\\n    ".join(
        (
            "lidar-vl-train finetune --config offline_training/configs/finetune/ros_bag.yaml",
            "train.0.folder=MY_LABELLED.mcap",
            *(quote(each) for each in told),
        )
    )
    return (
        f"<p>The backbone: <code>{escape(checkpoint)}</code>. Fine-tune it on a few labelled clouds, then "
        f"<code>lidar-vl-train export</code>:</p><pre>{escape(command)}</pre>"
    )


def _loss_curve(losses: Sequence[float]) -> bytes:
    from matplotlib.figure import Figure

    width = max(1, len(losses) // (10 * _SMOOTH))
    means = [sum(losses[at : at + width]) / len(losses[at : at + width]) for at in range(0, len(losses), width)]
    figure = Figure(figsize=(9, 2.8), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([width * (at + 0.5) for at in range(len(means))], means, marker="." if len(means) < 2 * _SMOOTH else None)
    axes.set(xlabel="step", ylabel="loss")
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [(escape(row[0]), *(escape(each) for each in row[1:])) for row in rows]
    numbers = ["".join(f'<td class="number">{each}</td>' for each in row[1:]) for row in cells]
    body = "".join(f"<tr><td>{row[0]}</td>{rest}</tr>" for row, rest in zip(cells, numbers, strict=True))
    return f'<table class="plain"><tr>{"".join(f"<th>{escape(name)}</th>" for name in head)}</tr>{body}</table>'


def _image(path: Path, alternative: str) -> str:
    return _figure(path.read_bytes(), alternative)


def _figure(png: bytes, alternative: str) -> str:
    return f'<img alt="{escape(alternative)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
