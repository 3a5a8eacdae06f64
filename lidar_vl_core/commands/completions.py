"""Shell completion for the options of lidar-vl. Reads folders."""

from collections.abc import Sequence


def completions() -> dict[str, Sequence[str]]:
    """Values by the name of the option."""
    from lidar_vl_core.classes.known_tables import box_table_names, label_table_names
    from lidar_vl_core.model_packages.package import packaged_models
    from lidar_vl_core.words.vocabulary import vocabulary_names

    return {
        "model": packaged_models(),
        "engine": ("auto", "fused", "onnxruntime", "onnxruntime_gpu", "tensorrt"),
        "label_table": label_table_names(),
        "box_table": box_table_names(),
        "vocabulary": vocabulary_names(),
    }
