"""The command `download`: a vision model from the Hugging Face hub into a folder, with a record of its origin.

Touches the network.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.foundation.files import sha256_of, write_text
from lidar_vl_core.foundation.near_names import did_you_mean
from lidar_vl_core.foundation.optional_imports import require_packages
from lidar_vl_core.foundation.result_folder import require_folder_place
from offline_training.weak_labels.model_weights.known_models import KNOWN_MODELS
from offline_training.weak_labels.model_weights.model_folder import RECORD

_WANTED = {".json", ".safetensors", ".txt", ".model"}  # settings, weights, vocabularies: nothing that contains code
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


def download(model: str, out: Path, revision: str = "main", accepted_licence: str | None = None) -> dict[str, Any]:
    """Fetch a model's safetensors, settings and vocabulary into `out`, a new folder; returns the content of download.json.

    model: a name of known_models, or owner/name; revision: a commit, tag or branch, recorded as its commit. After an
    interruption, files already fetched are kept. Raises BadRequest without the licence's name, without an answer from
    the hub, or if there are no safetensors.
    """
    repository = _repository(model)
    _require_licence(model, repository, accepted_licence)
    require_folder_place(out)
    if out.exists() and any(out.iterdir()):
        raise BadRequest(f"{out}: expected a new folder, found files in it. Choose another folder, or remove it first.")
    require_packages("download", "huggingface_hub")
    info = _asked(repository, revision)
    names = _wanted(repository, [sibling.rfilename for sibling in info.siblings or ()])
    licence = _licence(model, repository, info, str(accepted_licence))
    partial = out.parent / f".{out.name}.download"
    _fetch(repository, info.sha, names, partial)
    record = {
        "repository": repository,
        "revision": info.sha,
        "asked_revision": revision,
        "revision_date": None if info.last_modified is None else info.last_modified.isoformat(),
        "licence": licence,
        "sha256": {name: sha256_of(partial / name) for name in names},
    }
    write_text(partial / RECORD, json.dumps(record, indent=1) + "\n")
    if out.exists():
        out.rmdir()
    os.replace(partial, out)
    return record


def _repository(model: str) -> str:
    if model in KNOWN_MODELS:
        return KNOWN_MODELS[model].repository
    if model.count("/") == 1 and all(model.split("/")):
        return model
    raise BadRequest(
        f"model: expected one of {', '.join(KNOWN_MODELS)}, or owner/name, found {model!r}."
        f"{did_you_mean(model, KNOWN_MODELS)}"
    )


def _require_licence(model: str, repository: str, accepted: str | None) -> None:
    """Check the licence before using the network."""
    known = KNOWN_MODELS.get(model)
    if accepted and (known is None or accepted.lower() == known.licence):
        return
    wanted = "the name of its licence" if known is None else known.licence
    raise BadRequest(
        f"{model}: expected --accept-licence with {wanted}, found {accepted or 'none'}. Read the licence at "
        f"https://huggingface.co/{repository}, then name it."
    )


def _asked(repository: str, revision: str) -> Any:  # noqa: ANN401 - the hub's ModelInfo
    from huggingface_hub import HfApi

    try:
        return HfApi().model_info(repository, revision=revision)
    except Exception as error:  # any network failure on the way to the hub
        raise _no_answer(repository, revision, error) from error


def _wanted(repository: str, names: Sequence[str]) -> list[str]:
    """Top-level files of the repository that are fetched. Raises BadRequest if none of them holds weights."""
    top = sorted(name for name in names if "/" not in name)
    if not any(name.endswith(".safetensors") for name in top):
        pickles = [name for name in top if Path(name).suffix in _PICKLES]
        raise BadRequest(
            f"{repository}: expected weights as .safetensors, found {', '.join(pickles) or 'none'}. Pickles can run code "
            "and are not fetched: choose a repository or revision that has safetensors."
        )
    return [name for name in top if Path(name).suffix in _WANTED and name != RECORD]


def _licence(model: str, repository: str, info: Any, accepted: str) -> str:  # noqa: ANN401
    """The licence to record; for an unknown model it must be the one its repository states, if it states one."""
    card = info.card_data or {}
    stated = [str(card[key]) for key in ("license", "license_name") if card.get(key)]
    if model not in KNOWN_MODELS and stated and accepted.lower() not in [each.lower() for each in stated]:
        raise BadRequest(
            f"{repository}: expected --accept-licence {' or '.join(stated)}, found {accepted}. Read the licence, then pass its name."
        )
    return accepted.lower()


def _fetch(repository: str, commit: str, names: Sequence[str], folder: Path) -> None:
    from huggingface_hub import snapshot_download

    try:
        snapshot_download(repository, revision=commit, local_dir=folder, allow_patterns=list(names))
    except Exception as error:
        raise _no_answer(repository, commit, error) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub library's notes on fetched files
    for path in folder.iterdir():
        if path.name not in names:  # left by an interrupted download of another model
            path.unlink()
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise BadRequest(
            f"{repository}: expected {', '.join(absent)}, found none after fetching. Run the command again."
        )


def _no_answer(repository: str, revision: str, error: Exception) -> BadRequest:
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return BadRequest(
        f"{repository} at {revision}: expected an answer from the hub, found {type(error).__name__}: {first} Check the "
        "network and the names; for a model that its authors grant access to, log in with `hf auth login` first."
    )
