"""A page in headless Chromium, driven over its debugging pipe: what it says, what it fetches, how it lays itself out."""

import base64
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
INSTALL = "needs a browser: sudo apt-get install chromium"
_SOFTWARE_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_LONGEST_WAIT_S = 60  # of a machine that has other work, too


class Page:
    """One open page; `complaints` are its console errors, exceptions and failed loads, `fetched` what it asked the network for."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._received, self._number = b"", 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.fetched: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol and its answer; what the page reports meanwhile is kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)

    def open(self, path: Path, width_px: int, height_px: int = 900, fragment: str = "") -> None:
        """Load a file at a window size, as if freshly."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width_px, height=height_px, deviceScaleFactor=1, mobile=False
        )
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=f"{path.resolve().as_uri()}{fragment}")
        self.wait_for("location.protocol === 'file:' && document.readyState === 'complete'")

    def value(self, expression: str) -> Any:
        """What an expression gives in the page, promises waited for."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait_for(self, condition: str) -> None:
        """Until an expression is true in the page."""
        until = time.monotonic() + _LONGEST_WAIT_S
        while not self.value(f"Boolean({condition})"):
            assert time.monotonic() < until, f"expected {condition}, still not; the page says {self.complaints}"
            time.sleep(0.05)

    def picture_png(self, whole: bool = False) -> bytes:
        """A screenshot of the window, or of the whole page."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(answer["data"])

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            chunk = os.read(self._from, 1 << 20)
            assert chunk, "the browser ended"
            self._received += chunk
        message, _, self._received = self._received.partition(b"\0")
        return json.loads(message)

    def _note(self, event: dict[str, Any]) -> None:
        method, details = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(details["exceptionDetails"])[:500])
        elif method == "Runtime.consoleAPICalled" and details["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(details["args"])[:500])
        elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
            self.complaints.append(details["entry"]["text"])
        elif method == "Network.requestWillBeSent" and details["request"]["url"].startswith(("http", "ws")):
            self.fetched.append(details["request"]["url"])


@contextmanager
def opened_page(profile: Path) -> Iterator[Page]:
    """A page of a browser of its own, its profile in a folder for it; the test is skipped where there is no browser."""
    if PROGRAM is None:
        pytest.skip(INSTALL)
    commands, answers = os.pipe(), os.pipe()

    def as_three_and_four() -> None:
        ours = os.dup(commands[0]), os.dup(answers[1])
        os.dup2(ours[0], 3)
        os.dup2(ours[1], 4)

    browser = subprocess.Popen(
        [
            PROGRAM,
            "--headless",
            "--no-sandbox",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "--hide-scrollbars",
            "--no-first-run",
            "--disable-background-networking",
            *_SOFTWARE_WEBGL,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=as_three_and_four,
        close_fds=False,
        start_new_session=True,
    )
    try:
        os.close(commands[0])
        os.close(answers[1])
        yield Page(commands[1], answers[0])
    finally:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()
        os.close(commands[1])
        os.close(answers[0])
