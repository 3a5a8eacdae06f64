"""A point cloud in, one class per point out: voxels, kernel maps, network, labels. Measures its own time.

A package of task "embedding" is labelled with the words it was last given, by set_words().
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from lidar_vl_core.classes.class_table import ClassTable
from lidar_vl_core.clouds.colours import cloud_rgb
from lidar_vl_core.clouds.ego_region import EgoRegion
from lidar_vl_core.clouds.point_cloud import PointCloud
from lidar_vl_core.engines.cpu.prompt_head import PromptHead
from lidar_vl_core.engines.session import Session, open_feature_session, open_session
from lidar_vl_core.foundation.errors import BadModelPackage, BadPointCloud
from lidar_vl_core.model_packages.package import ModelPackage, no_words
from lidar_vl_core.tasks.ensemble.prompt_cosines import PromptCosines
from lidar_vl_core.tasks.partial_look import partial_look
from lidar_vl_core.tasks.point_labels import PointLabels, label_points, no_answers, stage_times_ms
from lidar_vl_core.tasks.point_network import PointNetwork, open_point_network
from lidar_vl_core.tasks.prompt_book import PromptBook
from lidar_vl_core.tasks.warm_up_cloud import warm_up_cloud
from lidar_vl_core.voxels.features import COLOUR_FEATURES, voxel_features
from lidar_vl_core.voxels.grid import Voxels, voxelise
from lidar_vl_core.voxels.kernel_maps import build_kernel_maps
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_core.words.vocabulary import Vocabulary


class Segmenter:
    """A model package ready to label clouds, one at a time."""

    def __init__(
        self,
        package: ModelPackage,
        engine: str = "auto",
        threads: int | None = None,
        max_points: int = 2_000_000,  # ten times the largest sweep of the data sets: a wrong message, not a sensor
        ego: EgoRegion | None = None,
    ) -> None:
        """Load the network; points in `ego` get no answer. Raises EngineUnavailable or BadModelPackage."""
        if package.manifest.task == "detection":
            raise BadModelPackage(
                f"{package.path}: expected a package that labels points, found one of task detection, which finds boxes. "
                "Use `lidar-vl detect` with it."
            )
        self._package = package
        self._grid = package.grid
        self._threads = threads
        self._max_points = max_points
        self._ego = EgoRegion() if ego is None else ego
        self._book: PromptBook | None = None
        self._prompts: PromptHead | None = None  # replaced as a whole by set_words(): a cloud sees one or the other
        self._points: PointNetwork | None = None  # a network that answers for points
        self._session: Session | None = None
        if package.manifest.network is not None:
            self._points = open_point_network(package, engine, threads)
        elif package.manifest.task == "embedding":
            self._session, head = open_feature_session(package, engine, threads)
            self._book = PromptBook(package)
            self._prompts = PromptHead(head, self._book.table)
        else:
            self._session = open_session(package, engine, threads)

    @property
    def classes(self) -> ClassTable:
        """The classes a label may have; of an embedding package those of the last words."""
        return self._prompts.classes if self._prompts is not None else self._package.classes

    @property
    def package(self) -> ModelPackage:
        """What it was loaded from."""
        return self._package

    @property
    def reads_colours(self) -> bool:
        """Whether the network requires coloured clouds."""
        return not set(COLOUR_FEATURES).isdisjoint(self._package.manifest.features)

    @property
    def own_table(self) -> TextTable | None:
        """The words an embedding package begins with; None for another package."""
        return None if self._book is None else self._book.table

    @property
    def table(self) -> TextTable | None:
        """The words in use; None unless it is an embedding package."""
        prompts = self._prompts  # read once: another thread may replace it
        return None if prompts is None else prompts.table

    @property
    def book(self) -> PromptBook:
        """The prompts that an embedding package knows or can learn. Raises BadModelPackage for another package."""
        if self._book is None:
            raise no_words(self._package)
        return self._book

    @property
    def known_prompts(self) -> tuple[str, ...]:
        """Prompts an embedding package knows without its text encoder. Raises BadModelPackage for another package."""
        return self.book.known_prompts

    @property
    def engine_name(self) -> str:
        """The engine that runs the network, e.g. "fused"."""
        return (self._points or self._opened()).engine_name

    @property
    def engine_problem(self) -> str:
        """Why a different engine runs it than requested; empty where none does."""
        return (self._points or self._opened()).engine_problem

    def set_words(self, words: Vocabulary | Sequence[str]) -> None:
        """Label the following clouds with these classes; a cloud in progress keeps its words. Thread-safe.

        words: a vocabulary, or prompts that are a class each. Raises UnknownPrompt, BadConfig, or BadModelPackage for a
        package that knows no words; the words are then as before.
        """
        self.set_table(self.table_of(words))

    def set_table(self, table: TextTable) -> None:
        """As set_words() with a table of table_of(), which may have another threshold; quick, what can fail is done before."""
        self._prompts = self._head(table)

    def warm_up(self) -> None:
        """Label a made-up cloud, so that nothing is compiled or loaded while the first message waits."""
        self.segment(warm_up_cloud(self._grid))

    @property
    def can_look_at_parts(self) -> bool:
        """Whether segment() takes a share: a network whose rows are voxels."""
        return self._points is None

    def segment(self, cloud: PointCloud, share: float = 1.0) -> PointLabels:
        """Label every point of a cloud, in its order.

        share: of the points that the network looks at; the others get the answer of their neighbours, which costs less
        time, and hits. Raises BadPointCloud for more than max_points, and for one without colours where the network reads them.
        """
        prompts = self._prompts
        classes = self._package.classes if prompts is None else prompts.classes
        started = time.perf_counter()
        cloud = self._judged(cloud)
        if self._points is not None:
            answers, row_of_point, done = self._points.run(cloud)
            class_id, probability = label_points(answers, row_of_point)
            return PointLabels(class_id, probability, stage_times_ms((started, *done, time.perf_counter())), classes)
        voxels = voxelise(cloud.xyz_m, self._grid)
        if len(voxels.coords) == 0:
            return no_answers(len(cloud), started, classes)
        point_to_row = voxels.point_to_voxel
        if share < 1.0:
            look = partial_look(cloud, voxels, share)
            cloud, voxels, point_to_row = look.cloud, look.voxels, look.point_to_row
        answers, stages_done = self._run(cloud, voxels)
        if prompts is None:
            class_id, probability = label_points(answers, point_to_row)
        else:
            class_id, probability = prompts.label_points(answers, point_to_row, self._threads)
        moments = (started, *stages_done, time.perf_counter())
        return PointLabels(class_id, probability, stage_times_ms(moments), classes)

    def prompt_cosines(self, cloud: PointCloud) -> PromptCosines:
        """The cosines that segment() decides by, for code that combines them. Raises as embeddings()."""
        prompts = self._prompts
        if prompts is None:
            raise no_words(self._package)
        started = time.perf_counter()
        cloud = self._judged(cloud)
        voxels = voxelise(cloud.xyz_m, self._grid)
        answers, stages_done = np.zeros((0, prompts.head.weight.shape[0]), np.float32), (started,) * 3
        if len(voxels.coords):
            answers, stages_done = self._run(cloud, voxels)
        cosine = prompts.cosines(answers)
        timing_ms = stage_times_ms((started, *stages_done, time.perf_counter()))
        return PromptCosines(cosine, voxels.point_to_voxel, cloud.xyz_m, prompts.table, timing_ms)

    def embeddings(self, cloud: PointCloud) -> np.ndarray:
        """(N, C) float32 embedding of every point in the package's text space, NaN out of the network's range.

        Raises BadPointCloud as segment(), BadModelPackage for a package without a text space.
        """
        prompts = self._prompts
        if prompts is None:
            raise no_words(self._package)
        return self._of_points(cloud, prompts.embeddings, prompts.table.channels)

    def similarities(self, cloud: PointCloud, table: TextTable) -> np.ndarray:
        """(N, P) float32 cosine of every point with the prompts of a table of table_of(); NaN as embeddings(); raises as it."""
        return self._of_points(cloud, self._head(table).cosines, len(table.prompts))

    def _of_points(self, cloud: PointCloud, of_rows: Callable[[np.ndarray], np.ndarray], columns: int) -> np.ndarray:
        """(N, columns) float32: what `of_rows` makes of the network's features, for every point; else NaN."""
        cloud = self._judged(cloud)
        voxels = voxelise(cloud.xyz_m, self._grid)
        answer = np.full((len(cloud), columns), np.nan, np.float32)
        if len(voxels.coords):
            inside = voxels.point_to_voxel >= 0
            answer[inside] = of_rows(self._run(cloud, voxels)[0])[voxels.point_to_voxel[inside]]
        return answer

    def table_of(self, words: Vocabulary | Sequence[str]) -> TextTable:
        """The text table of other words, without labelling by them; raises as set_words()."""
        return self.book.table_of(words)

    def _opened(self) -> Session:
        if self._session is None:
            raise no_words(self._package)  # only words are asked of a network for points beside its labels
        return self._session

    def _head(self, table: TextTable) -> PromptHead:
        if self._prompts is None:
            raise no_words(self._package)
        return self._prompts.with_table(table)

    def _judged(self, cloud: PointCloud) -> PointCloud:
        """The cloud with NaN for the points that are to have no answer. Raises BadPointCloud for one that is too large."""
        if len(cloud) > self._max_points:
            raise BadPointCloud(
                f"cloud of {len(cloud)} points: expected at most {self._max_points}. "
                "Split it, or raise max_points if your sensor really gives that many."
            )
        return replace(cloud, xyz_m=self._ego.cut_out_of(cloud.measured_xyz_m()))

    def _run(self, cloud: PointCloud, voxels: Voxels) -> tuple[np.ndarray, tuple[float, float, float]]:
        """(M, .) what the network says of every voxel, and when voxels, maps and network were done."""
        names, rgb = self._package.manifest.features, cloud_rgb(cloud) if self.reads_colours else None
        features = voxel_features(cloud.xyz_m, cloud.intensity, voxels, self._grid, names, self._threads, rgb)
        voxels_done = time.perf_counter()
        maps = build_kernel_maps(voxels.coords, self._package.manifest.levels, threads=self._threads)
        maps_done = time.perf_counter()
        answers = self._opened().run(features, maps)
        return answers, (voxels_done, maps_done, time.perf_counter())
