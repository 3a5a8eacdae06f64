"""A miniature of a study of pre-training: its methods, rows and columns on synthetic streets, in minutes, without downloads. Pure."""

from typing import TYPE_CHECKING, Any

from offline_training.finetuning.config import FinetuneConfig
from offline_training.finetuning.tasks import finetune_config_of
from offline_training.reproduction.base.data_needed import ROOT
from offline_training.reproduction.base.smoke import (
    SWEEP_CLASSES,
    Smoke,
    Substitutions,
    name_of,
    small_length,
    small_network,
    small_source,
    small_sources,
    small_table,
    without_published,
)
from offline_training.reproduction.base.study import joined, recipe_with
from offline_training.reproduction.pretraining.detection_smoke import small_box_class, small_detection
from offline_training.reproduction.pretraining.pretraining_study import (
    PretrainingColumn,
    PretrainingRow,
    PretrainingStudy,
)

if TYPE_CHECKING:
    from offline_training.pretraining.base.config import PictureConfig, PretrainConfig

_TEACHER_STEPS = 8
_IMAGE_SIZE = [64, 128]  # every image teacher takes multiples of 32
_TOY_LABELER = {
    "kind": "espnet",
    "weights": "{out}/toy_teacher/weights.safetensors",
    "values": SWEEP_CLASSES,
    "height": 48,
    "width": 96,
}
_STREETS = {"kind": "synthetic", "folder": ""}


def smoke_pretraining(study: PretrainingStudy) -> Smoke[PretrainingStudy]:
    """The miniature of a study with every row and column, and the list of replacements. Raises BadConfig."""
    told = Substitutions()
    rows = tuple(_small_row(study, row, told) for row in study.rows)
    jobs = (*(_small_job(job, told) for job in study.weak_labels), *_missing_jobs(study, told))
    needs_teacher = study.toy_teacher is not None or any(job.get("labeler") for job in jobs)
    columns = tuple(_small_column(study, column, told) for column in study.columns)
    if study.nuscenes_c is not None:
        told.put("nuScenes-C", "our own versions of its corruptions; its files are not read")
    changes = {
        **small_table(study, told),
        "rows": rows,
        "columns": columns,
        "pretrain": {},
        "finetune": {},
        "test": tuple(small_sources(study.test, False, told)),
        "toy_teacher": _toy_teacher(study, told) if needs_teacher else None,
        "weak_labels": jobs,
        "nuscenes_c": None,
    }
    return Smoke(study.model_copy(update=changes), told.lines)


def _small_row(study: PretrainingStudy, row: PretrainingRow, told: Substitutions) -> PretrainingRow:
    if row.recipe is None:
        return row.model_copy(update=without_published(row))
    from offline_training.pretraining.config import pretrain_config_of

    settings = recipe_with(row.recipe, study.pretrain, row.pretrain)
    config = pretrain_config_of(settings, f"smoke, {row.name}")
    own = joined(study.pretrain, row.pretrain)
    return row.model_copy(
        update={**without_published(row), "pretrain": joined(own, _small_pretraining(config, settings, told))}
    )


def _small_pretraining(config: "PretrainConfig", settings: dict[str, Any], told: Substitutions) -> dict[str, Any]:
    from offline_training.pretraining.base.config import PairCacheConfig, PictureConfig, StoreKeys
    from offline_training.pretraining.keys.olivine import OlivineConfig

    changes = {
        **small_network(config, told),
        **small_length(config.epochs, config.max_steps, told),
        "train": small_sources(settings["train"], True, told),
        "classes": SWEEP_CLASSES,
        "batch_size": 2,  # some methods contrast whole scans, which needs two
        "workers": 0,
    }
    if isinstance(config, PictureConfig):
        changes |= _small_pictures(config, told)
    if isinstance(config, StoreKeys) and config.weak_labels is not None:
        changes["weak_labels"] = _made_here(config.weak_labels)
    if isinstance(config, PairCacheConfig) and config.pair_cache is not None:
        changes["pair_cache"] = "{out}/made/pairs"
    if isinstance(config, OlivineConfig):
        # The consistency loss starts once the class statistics are frozen: after the first step, so that it runs at all.
        changes |= {"vmf_decay": 0.5, "vmf_freeze_step": 0, "matches": 256}
        told.put("OLIVINE's class statistics", "frozen after the first step, so that the consistency loss runs")
    return changes


def _small_pictures(config: "PictureConfig", told: Substitutions) -> dict[str, Any]:
    changes: dict[str, Any] = {"image_size": _IMAGE_SIZE}
    told.put("images of {} x {}".format(*config.image_size), "{} x {}".format(*_IMAGE_SIZE))
    if config.augment.crop or config.augment.drop_cuboid:
        changes["augment"] = {"min_pairs": 20}
    if config.teacher_weights is not None and not config.teacher_weights.startswith("{out}"):
        told.put(f"the image teacher's {name_of(config.teacher_weights)}", f"random weights in {config.teacher}")
        changes |= {"teacher_weights": None, "allow_random_weights": True}
    return changes


def _made_here(folder: str) -> str:
    """Folder of a label store that a study reads; a store expected from elsewhere is made in the study's folder."""
    return folder.replace(ROOT, "{out}")


def _small_job(job: dict[str, Any], told: Substitutions) -> dict[str, Any]:
    """The miniature of a job that makes weak labels."""
    changes = {"source": small_sources(job["source"], True, told), "preview_pictures": 2}
    if job.get("superpixels") == "slic":
        changes["slic_segments"] = 20
    labeler = job.get("labeler")
    if labeler is not None:
        changes["labeler"] = {**_TOY_LABELER, **({"min_score": 0.0} if labeler["kind"] == "espnet" else {})}
        told.put(f"the labeler {labeler['kind']}", "the toy teacher")
    return {**job, **changes}


def _missing_jobs(study: PretrainingStudy, told: Substitutions) -> list[dict[str, Any]]:
    """Jobs that make the label stores expected under the data root."""
    methods: dict[str, set[str]] = {}
    for row in study.rows:
        settings = {} if row.recipe is None else recipe_with(row.recipe, study.pretrain, row.pretrain)
        folder = settings.get("weak_labels")
        if folder is not None and ROOT in folder:
            methods.setdefault(folder, set()).add(settings.get("method", "olivine"))
    jobs = []
    for folder, asking in methods.items():
        job = {
            "out": _made_here(folder),
            "source": [small_source(_STREETS, True, Substitutions())],
            "preview_pictures": 2,
        }
        made = "superpixels by SLIC"
        job |= {"superpixels": "slic", "slic_segments": 20}
        if "olivine" in asking:
            job |= {"ontology": SWEEP_CLASSES, "labeler": _TOY_LABELER}
            made += " and classes by the toy teacher"
        told.put(f"the label store {name_of(folder)}", made)
        jobs.append(job)
    return jobs


def _toy_teacher(study: PretrainingStudy, told: Substitutions) -> dict[str, Any]:
    before = "" if study.toy_teacher is None else f" of {study.toy_teacher.get('steps', 1200)} steps"
    told.put(f"a toy teacher{before}", f"{_TEACHER_STEPS} steps")
    sources = {name: small_source(_STREETS, name == "train", Substitutions()) for name in ("train", "test")}
    return {**sources, "steps": _TEACHER_STEPS, "batch_size": 4}


def _small_column(study: PretrainingStudy, column: PretrainingColumn, told: Substitutions) -> PretrainingColumn:
    test = None if column.test is None else tuple(small_sources(column.test, False, told))
    if column.recipe is None:
        return column.model_copy(update={"test": test, "box_class": small_box_class(column.box_class, told)})
    settings = recipe_with(column.recipe, study.finetune, column.finetune)
    config = finetune_config_of(settings, f"smoke, {column.name}")
    if not isinstance(config, FinetuneConfig):
        return small_detection(study, column.model_copy(update={"test": test}), config, told)
    if config.classes != SWEEP_CLASSES:
        told.put(f"classes {config.classes}", SWEEP_CLASSES)
    changes = {
        **small_network(config, told),
        **small_length(config.epochs, config.max_steps, told),
        "train": small_sources(settings["train"], True, told),
        "classes": SWEEP_CLASSES,
        "batch_size": 1,
        "workers": 0,
    }
    own = joined(study.finetune, column.finetune)
    return column.model_copy(update={"test": test, "finetune": joined(own, changes)})
