"""Model packages: a folder with exactly the files its manifest lists, each verified by its hash. Touches the disk."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.foundation.config import validated
from lidar_vl_core.foundation.errors import BadConfig, BadLabels, BadModelPackage, BadTextTable, shortened
from lidar_vl_core.foundation.near_names import did_you_mean
from lidar_vl_core.model_packages.language_files import fitting_text_table, require_encoder
from lidar_vl_core.model_packages.language_spec import (
    IMAGE_ENCODER,
    TEXT_ENCODER,
    TEXT_TABLE,
    TOKENIZER_FILES,
    LanguageSpec,
)
from lidar_vl_core.model_packages.manifest import CARD, MODEL, Manifest
from lidar_vl_core.model_packages.package_files import (
    MANIFEST,
    REPAIR,
    as_bad_package,
    read_sealed_manifest,
    require_exact_files,
    require_plain_files,
    text_of,
    verified,
)
from lidar_vl_core.voxels.grid import VoxelGrid
from lidar_vl_core.words.text_table import TextTable

if TYPE_CHECKING:
    import onnx

_PACKAGED = Path(__file__).parents[1] / "models"


@dataclass(frozen=True)
class ModelPackage:
    """A verified package on disk."""

    path: Path
    manifest: Manifest

    @property
    def classes(self) -> ClassTable:
        """Class table of the network's answers."""
        table = self.manifest.class_table
        return ClassTable(table.name, table.names, np.asarray(table.colors_rgb, np.uint8).reshape(-1, 3))

    @property
    def grid(self) -> VoxelGrid:
        """Voxel grid of the network's input."""
        return VoxelGrid(self.manifest.grid.kind, self.manifest.grid.voxel_size, self.manifest.grid.point_cloud_range)

    @property
    def card(self) -> str:
        """The model card, Markdown."""
        return text_of(self._content(CARD), self.path / CARD)

    @property
    def language(self) -> LanguageSpec:
        """The text space of an embedding package. Raises BadModelPackage for a segmentation package."""
        if self.manifest.language is None:
            raise no_words(self)
        return self.manifest.language

    def onnx_bytes(self) -> bytes:
        """The model file; its hash is checked on every read."""
        return self._content(MODEL)

    def text_table(self) -> TextTable:
        """The prompts that an embedding package knows."""
        spec = self.language
        return fitting_text_table(self._content(TEXT_TABLE), spec, str(self.path / TEXT_TABLE))

    def text_encoder_bytes(self) -> bytes | None:
        """The text encoder's ONNX file, where the package has one."""
        return self._content(TEXT_ENCODER) if TEXT_ENCODER in self.language.file_names else None

    def tokenizer_bytes(self) -> bytes | None:
        """The tokenizer's file, where the package has a text encoder."""
        name = TOKENIZER_FILES.get(self.language.tokenizer)
        return None if name is None else self._content(name)

    def image_encoder_bytes(self) -> bytes | None:
        """The image encoder's ONNX file, where the package has one."""
        return self._content(IMAGE_ENCODER) if IMAGE_ENCODER in self.language.file_names else None

    def _content(self, name: str) -> bytes:
        return verified(self.path / name, self.manifest.files[name])


def no_words(package: ModelPackage) -> BadModelPackage:
    """The error for words requested of a package without words."""
    return BadModelPackage(
        f"{package.path}: expected a package of task embedding, found {package.manifest.task}: it knows its "
        f"{len(package.classes)} classes and no words. Use a package exported from a 3DSS-VLG run."
    )


def packaged_models() -> list[str]:
    """Names of the models included in this software."""
    return sorted(path.parent.name for path in _PACKAGED.glob(f"*/{MANIFEST}"))


def is_model_package(name_or_path: str | Path) -> bool:
    """Whether this is the folder or name of a package, complete or not."""
    return (Path(name_or_path) / MANIFEST).is_file() or str(name_or_path) in packaged_models()


def load_model_package(name_or_path: str | Path) -> ModelPackage:
    """Open a package by folder, or by name for one that comes with this software ("demo"), and verify all of it.

    Raises BadModelPackage for an unknown name, missing, additional, linked or altered files, a wrong manifest, a card that
    is no plain text, weights kept outside the model file, and a network that does not fit its manifest.
    """
    with as_bad_package(shortened(name_or_path)):
        return _verified_package(_find(name_or_path))


def _verified_package(path: Path) -> ModelPackage:
    require_plain_files(path)
    package = ModelPackage(path, _read_manifest(path / MANIFEST))
    expected = package.manifest.file_names
    require_exact_files(path, expected | {MANIFEST})
    if set(package.manifest.files) != expected:
        raise BadModelPackage(
            f"{path / MANIFEST}: expected hashes of {sorted(expected)}, found {shortened(sorted(package.manifest.files))}. {REPAIR}"
        )
    _ = package.card
    try:
        _require_fitting_network(package)
    except BadModelPackage as error:
        told = str(error)
        if told.startswith(f"{MODEL}: "):  # by a reader of models, which knows no folders
            raise BadModelPackage(f"{path / told}") from error
        raise
    if package.manifest.language is not None:
        _require_fitting_language(package)
    return package


def _find(name_or_path: str | Path) -> Path:
    name = os.path.expanduser(name_or_path)  # launch files and parameters reach no shell
    if name and Path(name).is_dir():
        return Path(name)
    if name in packaged_models():
        return _PACKAGED / name
    if name and Path(name).exists():
        raise BadModelPackage(f"{name_or_path}: expected the folder of a model package, found a file. Give its folder.")
    raise BadModelPackage(
        f"model {name!r}: expected a folder or one of the packaged models "
        f"{packaged_models() or '(none)'}, found neither. List the names with `lidar-vl models`."
        f"{did_you_mean(name, packaged_models())}"
    )


def _read_manifest(path: Path) -> Manifest:
    try:
        return validated(Manifest, read_sealed_manifest(path), str(path))
    except BadConfig as error:
        raise BadModelPackage(f"{path}: expected a manifest of format 1, found: {error} {REPAIR}") from error


def _require_fitting_network(package: ModelPackage) -> None:
    from lidar_vl_core.model_packages.detection_network import require_fitting_detector, require_fitting_point_network
    from lidar_vl_core.model_packages.flat_network import require_fitting_flat_network
    from lidar_vl_core.sparse_model.graph import read_sparse_graph, split_head
    from lidar_vl_core.sparse_model.model_file import read_model
    from lidar_vl_core.sparse_model.precision import precision_of

    manifest = package.manifest
    try:
        model = read_model(package.onnx_bytes(), str(package.path / MODEL))
        _require_opset(package, model)
        if precision_of(model) != manifest.precision:
            raise BadModelPackage(
                f"{package.path}: expected, from the manifest, precision {manifest.precision}, found {precision_of(model)} "
                f"in {MODEL}. {REPAIR}"
            )
        if manifest.detection is not None or manifest.network is not None:
            _ = package.classes
            requires = {
                "voxelnet": require_fitting_point_network,
                "waffleiron": require_fitting_flat_network,
                None: require_fitting_detector,
            }
            requires[manifest.network](manifest, model, str(package.path))
            return
        graph = read_sparse_graph(model)
        if manifest.language is not None:
            split_head(graph)
    except (BadConfig, BadLabels) as error:
        raise _unusable(package, error) from error
    try:
        answers = len(package.classes) if manifest.language is None else manifest.language.channels
        expected = (len(manifest.features), answers, manifest.levels)
        _ = package.grid
    except (BadConfig, BadLabels) as error:
        raise _unusable(package, error) from error
    found = (graph.in_channels, graph.out_channels, graph.levels)
    if expected != found:
        kind = "classes" if manifest.language is None else "channels"
        raise BadModelPackage(
            f"{package.path}: expected, from the manifest, (features, {kind}, levels) = {expected}, found {found} "
            f"in {MODEL}. {REPAIR}"
        )


def _require_opset(package: ModelPackage, model: "onnx.ModelProto") -> None:
    versions = [each.version for each in model.opset_import if each.domain == ""]
    if versions != [package.manifest.opset]:
        raise BadModelPackage(
            f"{package.path}: expected, from the manifest, opset {package.manifest.opset}, found {shortened(versions)} in "
            f"{MODEL}. {REPAIR}"
        )


def _unusable(package: ModelPackage, error: Exception) -> BadModelPackage:
    return BadModelPackage(f"{package.path / MANIFEST}: expected a usable manifest, found: {error} {REPAIR}")


def _require_fitting_language(package: ModelPackage) -> None:
    """Every file is read once, so that none fails when a word is first asked for."""
    from lidar_vl_core.words.tokenizer import open_tokenizer

    try:
        table = package.text_table()
    except BadTextTable as error:
        raise BadModelPackage(f"{error} {REPAIR}") from error
    if table.class_table != package.classes:
        raise BadModelPackage(
            f"{package.path / TEXT_TABLE}: expected the classes of the manifest, {', '.join(package.classes.names)}, in "
            f"their colours, found {', '.join(table.class_table.names)}. {REPAIR}"
        )
    spec, words, pictures = package.language, package.text_encoder_bytes(), package.image_encoder_bytes()
    if words is not None:
        require_encoder(words, {"tokens"}, {"embeddings"}, str(package.path / TEXT_ENCODER))
        open_tokenizer(spec.tokenizer, package.tokenizer_bytes(), spec.context_length)
    if pictures is not None:
        require_encoder(pictures, {"image"}, {"features"}, str(package.path / IMAGE_ENCODER))
