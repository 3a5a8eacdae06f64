"""A Python module run as a process that gives way to its parent, asked in bytes."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

from lidar_vl_core.foundation.errors import BadModelPackage, LidarVlError

_NICENESS = 10  # a tenth of the time of a core that others want, all of one that nobody wants
_STOP_TIMEOUT_S = 2.0
_KILL_EVERY_S = 0.05
_ANSWER, _PROBLEM = b"a", b"p"  # how messages of the process begin

Answer = Callable[[bytes], bytes]


class AnsweringProcess:
    """The parent's side. A process that ended is started again by the next request."""

    def __init__(self, module: str, arguments: Sequence[str], told_as: str) -> None:
        """module: its main calls answer_requests(). told_as: what error texts call it, such as "image encoder"."""
        self._command = [sys.executable, "-m", module, *arguments]
        self._told_as = told_as
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._greeting = b""

    def greeting(self) -> bytes:
        """What the process said first; starts it where it does not run. Raises as ask()."""
        with self._lock:
            self._started()
            return self._greeting

    def ask(self, request: bytes) -> bytes:
        """The answer to one request, from any thread. Raises BadModelPackage with what the process refused, or where it ended."""
        with self._lock:
            connection = self._started()
            try:
                connection.send_bytes(request)
                return self._answer(connection)
            except OSError as error:  # with EOFError, which _answer tells
                raise self._gone() from error

    def close(self) -> None:
        """End the process, at once where it is at work, which its caller is told; ask() would start another."""
        while not self._lock.acquire(timeout=_KILL_EVERY_S):
            if (process := self._process) is not None:
                process.kill()
        try:
            self._ended()
        finally:
            self._lock.release()

    def _started(self) -> Connection:
        if self._connection is not None:
            return self._connection
        try:
            ours, theirs = socket.socketpair()
            with ours, theirs:
                # In the session of its parent: Linux shares the cores out between sessions before it looks at niceness.
                self._process = subprocess.Popen([*self._command, str(theirs.fileno())], pass_fds=[theirs.fileno()])  # noqa: S603
                self._connection = Connection(ours.detach())
        except OSError as error:
            raise BadModelPackage(
                f"{self._told_as}: expected a process of its own, found that none can be started: {error}. Free memory or files."
            ) from error
        try:
            self._greeting = self._answer(self._connection)
        except BadModelPackage:
            self._ended()
            raise
        return self._connection

    def _answer(self, connection: Connection) -> bytes:
        try:
            message = connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise self._gone() from error
        if message[:1] == _PROBLEM:
            raise BadModelPackage(message[1:].decode())
        return message[1:]

    def _gone(self) -> BadModelPackage:
        return BadModelPackage(f"{self._told_as}: its process ended with {self._ended()}")

    def _ended(self) -> int | None:
        """Close our end, which the process takes as its own; its exit code."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is None:
            return None
        try:
            return self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def answer_requests(descriptor: int, opened: Callable[[], tuple[bytes, Answer]]) -> None:
    """The process's side: give way, and answer until the other end is closed.

    descriptor: the last argument of the command. opened: a greeting, and what answers; both may raise LidarVlError, which is told.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of Ctrl-C all processes hear; this one ends with its parent's end
    os.nice(_NICENESS)
    with suppress(BrokenPipeError), Connection(descriptor) as connection:  # who asked may be gone before the answer
        try:
            greeting, answer = opened()
        except LidarVlError as error:
            connection.send_bytes(_PROBLEM + str(error).encode())
            return
        connection.send_bytes(_ANSWER + greeting)
        while True:
            try:
                request = connection.recv_bytes()
            except (EOFError, OSError):
                return
            try:
                told = _ANSWER + answer(request)
            except LidarVlError as error:
                told = _PROBLEM + str(error).encode()
            connection.send_bytes(told)
