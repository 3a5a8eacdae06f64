"""The words that clouds are labelled by: known ones apply at once, new ones when a process beside the node has embedded them."""

import threading
from collections.abc import Callable
from functools import partial

from lidar_vl_core.foundation.errors import LidarVlError, shortened
from lidar_vl_core.tasks.beside.text_process import TextProcess
from lidar_vl_core.tasks.segmenter import Segmenter
from lidar_vl_core.words.text_table import TextTable
from lidar_vl_ros.health.health import OK, WARN, Report
from lidar_vl_ros.health.reporter import Reporter
from lidar_vl_ros.node.worker import Worker
from lidar_vl_ros.tasks.asked_words import AskedWords, table_of

_STOP_TIMEOUT_S = 2.0


class WordChanges:
    """Exists while a node is configured. The newest request wins; the old words apply until its words are embedded."""

    def __init__(self, segmenter: Segmenter, reporter: Reporter, changed: Callable[[], None]) -> None:
        """segmenter: labels by words. changed: called, from any thread, when other words apply from the next cloud on."""
        segmenter.book.make_ready()
        self._segmenter, self._reporter, self._tell_changed = segmenter, reporter, changed
        self._process = TextProcess(segmenter.package)
        self._lock = threading.Lock()
        self._pending: AskedWords | None = None
        self._left = 0  # prompts of it that are not embedded
        self._problem = ""  # why the words requested last do not apply
        self._worker: Worker[AskedWords] = Worker(type(self).__name__, self._embed, partial(reporter.fault, "faults"))

    @property
    def failed(self) -> bool:
        """Whether the words requested last failed, and never will apply unless they are requested again."""
        return bool(self._problem)

    @property
    def told(self) -> str:
        """The words in force, and those to come."""
        with self._lock:
            return self._told()

    def begin_with(self, asked: AskedWords) -> None:
        """Embed the words of the first cloud at once. Raises BadModelPackage for a text encoder that does not run."""
        self._learn(asked, lambda left: True)
        self._use(asked.table or table_of(self._segmenter, asked))

    def ask(self, asked: AskedWords) -> bool:
        """Label by these words as soon as they are embedded; true if they apply from the next cloud on."""
        with self._lock:
            self._problem, self._left = "", len(asked.to_embed)
            self._pending = asked if asked.to_embed else None
            if self._pending is None:
                self._use(asked.table)
                self._tell_changed()
                return True
        self._worker.put(asked)
        return False

    def report(self) -> Report:
        """Values for the diagnostics."""
        with self._lock:
            values = {"in_force": _names(self._segmenter.classes.names)}
            if self._pending is not None and self._pending.vocabulary is not None:
                values |= {"pending": _names(self._pending.vocabulary.prompts), "to_embed": str(self._left)}
            if self._problem:
                values["last_problem"] = self._problem
            return Report(WARN if self._problem else OK, self._problem or self._told(), values)

    def close(self) -> None:
        """Give up what is pending, and stop process and thread."""
        with self._lock:
            self._pending = None
        self._process.close()
        if not self._worker.stop(_STOP_TIMEOUT_S):
            self._reporter.warn("words", "new words are still being embedded; their thread is abandoned")
        self._process.close()  # one that the thread has just started

    def _embed(self, asked: AskedWords) -> None:
        try:
            self._learn(asked, lambda left: self._is_pending(asked, left))
            with self._lock:
                if self._pending is asked:
                    self._pending = None
                    self._use(table_of(self._segmenter, asked))
                    self._tell_changed()
        except Exception as error:
            self._give_up(asked, error)

    def _learn(self, asked: AskedWords, goes_on: Callable[[int], bool]) -> None:
        """Embed prompt after prompt, so that other words, or the end, wait for one at most. goes_on: called with the number left."""
        if asked.vocabulary is None:
            return
        to_embed = self._segmenter.book.to_embed(asked.vocabulary)  # an earlier request may have embedded some
        for place, prompt in enumerate(to_embed):
            if not goes_on(len(to_embed) - place):
                return
            self._segmenter.book.learn([prompt], self._process.embed([prompt]))

    def _is_pending(self, asked: AskedWords, left: int) -> bool:
        with self._lock:
            if self._pending is asked:
                self._left = left
            return self._pending is asked

    def _use(self, table: TextTable | None) -> None:
        if table is not None:
            self._segmenter.set_table(table)

    def _give_up(self, asked: AskedWords, error: Exception) -> None:
        with self._lock:
            if self._pending is not asked:
                return  # other words were requested, or the node is cleaned up
            self._pending = None
            reason = str(error) if isinstance(error, LidarVlError) else repr(error)
            self._problem = shortened(f"the words stay unchanged, as the new ones cannot be embedded: {reason}")
            problem = self._problem
        if isinstance(error, LidarVlError):
            self._reporter.problem("faults", problem)
        else:
            self._reporter.fault("faults", error)

    def _told(self) -> str:
        names = f"looking for {', '.join(self._segmenter.classes.names)}"
        if self._pending is None or self._pending.vocabulary is None:
            return names
        return f"embedding {self._left} new prompts for {', '.join(self._pending.vocabulary.class_table.names)}; {names} until then"


def _names(names: tuple[str, ...]) -> str:
    return shortened(", ".join(names))
