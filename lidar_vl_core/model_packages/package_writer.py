"""Writes model packages: completely or not at all, and verified before they are moved into place. Writes files."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lidar_vl_core.foundation.errors import BadModelPackage
from lidar_vl_core.foundation.files import write_bytes
from lidar_vl_core.foundation.processes.staged_folder import clear_staged, staged_folder
from lidar_vl_core.model_packages.language_files import LanguageFiles
from lidar_vl_core.model_packages.language_spec import LANGUAGE_FILES
from lidar_vl_core.model_packages.manifest import CARD, MODEL, Manifest
from lidar_vl_core.model_packages.package import ModelPackage, load_model_package
from lidar_vl_core.model_packages.package_files import MANIFEST, sealed_manifest

if TYPE_CHECKING:
    import onnx

PACKAGE_FILES = frozenset({MODEL, MANIFEST, CARD}) | LANGUAGE_FILES


def write_model_package(
    folder: Path,
    onnx_model: "onnx.ModelProto",
    manifest_without_files: Manifest,
    card_markdown: str,
    language: LanguageFiles | None = None,
) -> ModelPackage:
    """Write a package, or replace the one at `folder`; a partial package never appears there.

    language: of an embedding package, whose model ends in a linear layer and answers with embeddings. Returns the package
    as read back. Raises BadModelPackage when `folder` holds something else or the parts do not fit.
    """
    folder = Path(folder)
    if folder.exists() and not (folder.is_dir() and {entry.name for entry in folder.iterdir()} <= PACKAGE_FILES):
        raise BadModelPackage(
            f"{folder}: expected a new folder or an older model package, found other files. Choose another folder."
        )
    content = {MODEL: onnx_model.SerializeToString(deterministic=True), CARD: card_markdown.encode()}
    content |= _language_content(manifest_without_files, language)
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in content.items()}
    manifest = manifest_without_files.model_copy(update={"files": hashes})
    content[MANIFEST] = sealed_manifest(_manifest_fields(manifest))
    try:
        clear_staged(folder)
        with staged_folder(folder) as staged:
            for name, data in content.items():
                write_bytes(staged / name, data)
            load_model_package(staged)
    except OSError as error:
        raise BadModelPackage(
            f"{folder}: could not be written: {error}. Free space or choose another folder."
        ) from error
    return load_model_package(folder)


def _manifest_fields(manifest: Manifest) -> dict[str, Any]:
    fields = manifest.model_dump(mode="json")
    return {name: value for name, value in fields.items() if value is not None}


def _language_content(manifest: Manifest, language: LanguageFiles | None) -> dict[str, bytes]:
    if (manifest.language is None) != (language is None):
        raise BadModelPackage(
            f"{manifest.name}: expected a language in manifest and files of an embedding package, and in neither of "
            f"another, found task {manifest.task} with {'no' if language is None else 'language'} files. Give both."
        )
    return {} if manifest.language is None or language is None else language.content(manifest.language)
