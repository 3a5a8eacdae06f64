"""One error per seam; every message says what was expected, what was found and what to do."""


class LidarVlError(Exception):
    """Base of all errors a user can cause; the command lines print it as one line and exit with 2."""


class BadPointCloud(LidarVlError):
    """A point cloud message or array breaks its own header."""


class BadCloudFile(LidarVlError):
    """A point cloud file is not what its name says."""


class BadImage(LidarVlError):
    """An image message breaks its own header or cannot be decoded."""


class BadCalibration(LidarVlError):
    """Intrinsics or distortion cannot be used for a projection."""


class BadTransform(LidarVlError):
    """A rigid transform is missing, not rigid, or asked for at a time it is not known."""


class BadConfig(LidarVlError):
    """A configuration has an unknown key, a wrong type or a wrong value."""


class BadBag(LidarVlError):
    """A recording cannot be read, or lacks what was asked for."""


class BadModelPackage(LidarVlError):
    """A model package is incomplete, altered, or made for something else."""


class BadLabels(LidarVlError):
    """Labels or a class table do not fit the points or each other."""


class BadBoxes(LidarVlError):
    """Boxes hold NaN, sizes below zero, or arrays that do not belong together."""


class BadDataset(LidarVlError):
    """A data set folder lacks a file or holds a damaged one."""


class BadCheckpoint(LidarVlError):
    """A training checkpoint is damaged or belongs to another configuration."""


class EngineUnavailable(LidarVlError):
    """The asked inference engine cannot run here."""


class BadRequest(LidarVlError):
    """A command was asked for something that does not exist or is ambiguous."""


class BadTextTable(LidarVlError):
    """A text table is damaged, or does not fit the embeddings it should name."""


class UnknownPrompt(LidarVlError):
    """A word was asked for that a text table does not know and nothing here can embed."""


class MissingExtra(LidarVlError):
    """A package is needed that only an extra of the installation brings."""


class TooManyVoxels(BadPointCloud):
    """A cloud has more voxels than the engine was built for."""
