"""Paths of the files that belong to an image: a folder, and a template filled in from the image's view."""

import string
from pathlib import Path, PurePosixPath

from lidar_vl_core.cameras.view import CameraView
from lidar_vl_core.foundation.errors import BadConfig, BadDataset

_OF_FILE = ("file", "folder", "stem")
_FIELDS = (*_OF_FILE, "camera", "stamp_ns", "stamp_us")


class PicturePath:
    """A path template: `template` under `folder`, with fields from an image's view.

    {file}: the image's path inside its data set without suffix; {folder} and {stem}: its two parts; {camera};
    {stamp_ns}; {stamp_us}.
    """

    def __init__(self, folder: Path, template: str) -> None:
        """Raise BadConfig for an unknown field, BadDataset if the folder does not exist."""
        self.folder, self.template = Path(folder), template
        try:
            fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        except ValueError as error:
            raise BadConfig(f"template {template!r}: {error}.") from error
        if not fields or any(name not in _FIELDS for name in fields):
            raise BadConfig(
                f"template {template!r}: expected fields from {{{'}, {'.join(_FIELDS)}}}, found {fields or 'none'}. "
                "Without a field all images would share one file."
            )
        if not self.folder.is_dir():
            raise BadDataset(f"{self.folder}: expected a folder, found none. Check the path.")

    def of(self, view: CameraView) -> Path:
        """The path for a view. Raises BadDataset if the template needs the file of an image that is not a file."""
        if view.file is None and any(f"{{{name}}}" in self.template for name in _OF_FILE):
            raise BadDataset(
                f"template {self.template!r}: expected images that are files, found one of camera {view.name} from a "
                "recording. Use {camera} and {stamp_ns}."
            )
        file = PurePosixPath(view.file or "")
        return self.folder / self.template.format(
            file=file.with_suffix("") if view.file else "",
            folder=file.parent,
            stem=file.stem,
            camera=view.name,
            stamp_ns=view.stamp_ns,
            stamp_us=view.stamp_ns // 1000,
        )
