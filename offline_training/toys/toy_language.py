"""The toy vision-language model's training: regions of synthetic images against captions of true words.

It replaces CLIP and similar models where they are not available, and knows only our synthetic worlds.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lidar_vl_core.foundation.files import write_bytes, write_text
from lidar_vl_core.words.tokenizer import WordTokenizer
from offline_training.losses.region_caption import cell_caption_contrast, region_caption_contrast
from offline_training.runs.device import torch_set_up
from offline_training.toys.toy_batches import BatchDraw, DrawnRegions, picture_batches, region_cover
from offline_training.toys.toy_captions import (
    NO_COLOUR,
    all_words,
    draw_captions,
    draw_dictionary,
    kinds_of,
    wrongly_coloured,
)
from offline_training.toys.toy_config import QUALITY, ToyLanguageConfig, is_toy_made
from offline_training.toys.toy_quality import toy_quality
from offline_training.toys.toy_regions import LabelledPicture, labelled_pictures, world_of
from offline_training.toys.toy_sheet import write_toy_sheet
from offline_training.words.image_models.toy_model import CONTEXT_LENGTH, WEIGHTS, WORDS, ToyModel, ToyTowers

_MAX_LOG_SCALE = float(np.log(100.0))  # CLIP's bound


def train_toy_language(config: ToyLanguageConfig) -> Path:
    """Train, measure and write the toy, unless that was done; returns its folder, for models of kind `toy`.

    Raises BadConfig for a source without images.
    """
    out = Path(config.out)
    tested = [world_of(source) for source in config.test]
    worlds = sorted({world for world, _ in (*tested, *map(world_of, config.train))})
    if is_toy_made(config):
        return out
    with torch_set_up(config.threads):
        pictures = [picture for source in config.train for picture in labelled_pictures(source)]
        begin_s = time.perf_counter()
        towers = _trained(config, worlds, pictures)
        trained_s = time.perf_counter() - begin_s
        words = json.dumps({"words": all_words(worlds), "context_length": CONTEXT_LENGTH}, indent=1).encode()
        model = ToyModel(towers, words)
        quality = {}
        for (world, classes), source in zip(tested, config.test, strict=True):
            unseen = labelled_pictures(source)
            quality[world] = toy_quality(model, world, classes, unseen)
            write_toy_sheet(out / f"similarity_{world}.png", model, world, unseen)
    report = {
        "what": "a toy: synthetic worlds only",
        "config": config.asked(),
        "training_s": round(trained_s, 1),
        **quality,
    }
    from safetensors.torch import save

    tensors = {name: tensor.contiguous() for name, tensor in towers.state_dict().items()}
    write_bytes(out / WEIGHTS, save(tensors))
    write_bytes(out / WORDS, words)
    write_text(out / QUALITY, json.dumps(report, indent=1))  # last, to mark the folder as complete
    return out


def _trained(config: ToyLanguageConfig, worlds: Sequence[str], pictures: Sequence[LabelledPicture]) -> ToyTowers:
    from tqdm import tqdm

    words = all_words(worlds)
    tokenizer = WordTokenizer(words, CONTEXT_LENGTH)
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)  # of the initial weights
        towers = ToyTowers(len(words) + 1, config.channels).train()
    towers.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on CPUs
    rng = np.random.default_rng(config.seed)
    draw = BatchDraw(pictures, config.regions_per_picture)
    optimizer = torch.optim.AdamW(towers.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, config.steps)
    for _ in tqdm(range(config.steps), desc="toy language", unit="step", disable=not sys.stderr.isatty()):
        loss = _loss(config, kinds_of(worlds), towers, tokenizer, draw(config.pictures_per_step, rng), rng)
        loss = loss + _dictionary_loss(worlds, towers, tokenizer, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(towers.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            towers.log_logit_scale.clamp_(0.0, _MAX_LOG_SCALE)
    return towers.eval()


def _loss(
    config: ToyLanguageConfig,
    every_kind: np.ndarray,
    towers: ToyTowers,
    tokenizer: WordTokenizer,
    drawn: Sequence[DrawnRegions],
    rng: np.random.Generator,
) -> Tensor:
    """Loss of one step: regions against captions, and single cells of the regions against captions."""
    kind = np.concatenate([each.picture.kind[each.regions] for each in drawn])
    colour = np.concatenate([each.picture.colour[each.regions] for each in drawn])
    captions = draw_captions(kind, colour, rng, config.hypernym_share, config.colour_share)
    # Captions that match no region: wrong colours, and every kind of region, most of which do not occur in a step's few images.
    no_colour = np.full(len(every_kind), NO_COLOUR)
    others = [wrongly_coloured(captions, rng), draw_captions(every_kind, no_colour, rng, 0.0, 0.0)]
    also_fits = torch.from_numpy(np.hstack([each.also_fit(kind, colour) for each in (captions, *others)]))
    sentences = [sentence for each in (captions, *others) for sentence in each.sentences]
    text = towers.text(torch.from_numpy(tokenizer.tokens(sentences)))
    regions, cells = _region_and_cell_features(towers, drawn, config.cells_per_region, rng)
    scale = towers.log_logit_scale.exp()
    of_regions = region_caption_contrast(regions, text, also_fits, scale)
    repeats = config.cells_per_region
    region_of_cell = torch.arange(len(kind)).repeat_interleave(repeats)
    # The square root compromises between equal weight per region, which finds people everywhere, and per pixel, which finds none.
    area_px = np.concatenate([each.picture.area_px[each.regions] for each in drawn])
    weight = torch.from_numpy(np.sqrt(area_px)).float().repeat_interleave(repeats)
    of_cells = cell_caption_contrast(cells, region_of_cell, weight, text, also_fits, scale)
    return of_regions + config.cell_weight * of_cells


def _dictionary_loss(
    worlds: Sequence[str], towers: ToyTowers, tokenizer: WordTokenizer, rng: np.random.Generator
) -> Tensor:
    """Loss of names against their dictionary meanings; 0 for worlds whose captions use the names."""
    dictionary = draw_dictionary(worlds, rng)
    if not dictionary.names:
        return torch.zeros(())
    names, definitions = (
        towers.text(torch.from_numpy(tokenizer.tokens(each))) for each in (dictionary.names, dictionary.definitions)
    )
    return region_caption_contrast(names, definitions, torch.from_numpy(dictionary.same), towers.log_logit_scale.exp())


def _region_and_cell_features(
    towers: ToyTowers, drawn: Sequence[DrawnRegions], cells_per_region: int, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Unit rows: the mean over each region's cells (R, C), and random cells of it (R * cells_per_region, C)."""
    regions: list[Tensor] = []
    cells: list[Tensor] = []
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    for batch in picture_batches(drawn, rng):
        images = batch.images.contiguous(memory_format=torch.channels_last)
        embedding = towers.image(images).flatten(2).mT  # (I, cells, C)
        for own, each, flip in zip(embedding, batch.drawn, batch.flipped, strict=True):
            cover = region_cover(each, flip)  # (r, cells)
            regions.append(F.normalize(cover @ own, dim=1))
            chosen = torch.multinomial(cover, cells_per_region, replacement=True, generator=generator)
            cells.append(own[chosen.reshape(-1)])
    return torch.cat(regions), torch.cat(cells)
