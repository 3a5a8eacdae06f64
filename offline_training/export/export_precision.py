"""A float32 package to one in half or int8: compared with float32 on real clouds before it is written."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.foundation.errors import BadRequest
from lidar_vl_core.model_packages.language_files import LanguageFiles
from lidar_vl_core.model_packages.package import ModelPackage
from lidar_vl_core.model_packages.package_writer import write_model_package
from lidar_vl_core.sparse_model.half_form import in_half
from lidar_vl_core.sparse_model.int8_form import in_int8, inputs_to_quantize
from lidar_vl_core.sparse_model.known_precisions import Precision
from offline_training.export.calibration import calibrated_scales, calibration_clouds
from offline_training.export.precision_parity import PrecisionParity, compare_precision, require_near

if TYPE_CHECKING:
    import onnx

# Values of a detector's encoder that stay in float32: those read by the convolutions to, on and from its last level, of which the map
# of the boxes is made. With them in int8 the demo detector lost 1.5 points of AP on another sensor; without, 0.3.
_LAST_OF_DETECTOR = 4
_SAID = {
    "fp16": "Computes in half precision; made of the float32 package.",
    "int8": "Multiplies in int8 in its sparse convolutions, else float32; made of the float32 package.",
}


def export_precision(
    package: ModelPackage,
    out: Path,
    precision: Precision,
    clouds: Sequence[PointCloud],
    calibration: Sequence[Path] = (),
) -> tuple[ModelPackage, list[PrecisionParity]]:
    """Write a float32 package in a lower precision, and return how near it is to float32 on the clouds.

    calibration: cloud files, folders of them or bags, for int8. Raises BadRequest for a package that is in lower precision
    already; BadModelPackage, and writes nothing, where an engine is farther away than precision_parity.LIMITS.
    """
    import onnx

    if package.manifest.precision != "fp32":
        raise BadRequest(
            f"{package.path}: expected a package in fp32, found {package.manifest.precision}: what was rounded stays so. Give "
            "the float32 package, or the checkpoint."
        )
    if package.manifest.network == "waffleiron":
        raise BadRequest(
            f"{package.path}: expected a network of sparse convolutions, found WaffleIron, which has no form in "
            f"{precision}. Keep fp32."
        )
    model = _converted(package, onnx.load_model_from_string(package.onnx_bytes()), precision, calibration)
    manifest = package.manifest.model_copy(update={"precision": precision})
    card = f"{package.card.rstrip()}\n\n## Precision\n\n{_SAID[precision]}\n"
    files = _language_files(package)
    with tempfile.TemporaryDirectory() as folder:
        trial = write_model_package(Path(folder) / "trial", model, manifest, card, files)
        parity = compare_precision(package, trial, clouds)
    require_near(parity, out)
    return write_model_package(out, model, manifest, card, files), parity


def _converted(
    package: ModelPackage, model: "onnx.ModelProto", precision: Precision, calibration: Sequence[Path]
) -> "onnx.ModelProto":
    if precision == "fp16":
        return in_half(model)
    names = inputs_to_quantize(model)
    if package.manifest.detection is not None:
        names = names[: len(names) - min(_LAST_OF_DETECTOR, len(names) // 2)]  # of a tiny one, half
    return in_int8(model, calibrated_scales(package, model, names, calibration_clouds(calibration)))


def _language_files(package: ModelPackage) -> LanguageFiles | None:
    """Words and towers go along as they are."""
    if package.manifest.language is None:
        return None
    return LanguageFiles(
        package.text_table(), package.text_encoder_bytes(), package.tokenizer_bytes(), package.image_encoder_bytes()
    )
