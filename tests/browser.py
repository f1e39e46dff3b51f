"""A headless Chromium, led over the pipe of the DevTools protocol
(https://chromedevtools.github.io/devtools-protocol).
"""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

QUIET = {"Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"}


class Browser:
    """One page at a time. ``events``: everything that the browser reported, in order, as (method,
    parameters).
    """

    def __init__(self, command: str, folder: Path):
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        for number in (to_browser, self._out, self._in, from_browser):
            os.set_inheritable(number, True)
        words = [
            command,
            "--headless=new",
            "--disable-gpu",
            "--no-first-run",
            "--disable-extensions",
            "--disable-dev-shm-usage",
            "--use-fake-ui-for-media-stream",  # a microphone that beeps, for which nobody is asked
            "--use-fake-device-for-media-stream",
            f"--user-data-dir={folder}",
            "--remote-debugging-pipe",
            "about:blank",
        ]
        words += ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium refuses to run as root with it
        # the protocol is spoken on file descriptors 3 and 4
        script = 'a=$1 b=$2; shift 2; eval "exec 3<&$a 4>&$b"; exec "$@"'
        with (folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", script, "bash", str(to_browser), str(from_browser), *words],
                pass_fds=(to_browser, from_browser),
                stdout=log,
                stderr=log,
            )
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._rest, self._session, self.events = 0, b"", None, []
        self.fresh()

    def fresh(self) -> None:
        """Go to a new, empty page, which knows nothing of the one before."""
        self._session, self.events = None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params) -> dict:
        """The answer to a command of the protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != self._number:
            self.events.append((answer.get("method"), answer.get("params")))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _read(self) -> dict:
        while b"\0" not in self._rest:
            block = os.read(self._in, 1 << 20)
            if not block:
                raise RuntimeError("chromium has ended; its log stands beside its profile")
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, width: int = 1280, height: int = 900) -> None:
        """Load ``url`` in a window of this size, until its load event."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call("Page.navigate", url=url)
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            answer = self._read()
            self.events.append((answer.get("method"), answer.get("params")))

    def run(self, script: str):
        """The value of a JavaScript expression."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def click(self, selector: str) -> None:
        """A mouse click on the middle of the first such element."""
        x, y = self.run(
            "(e => { e.scrollIntoView({block: 'center', behavior: 'instant'}); const r = "
            "e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })"
            f"(document.querySelector({json.dumps(selector)}))"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def screenshot(self, path: Path) -> None:
        """What the window shows, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def close(self) -> None:
        """End the browser that was started here."""
        os.close(self._out)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.terminate()
            self._process.wait()
        os.close(self._in)


def find() -> str | None:
    """Chromium's command, or None."""
    return next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (found := shutil.which(name))
        ),
        None,
    )


def fetched(chromium: Browser) -> list[str]:
    """What the pages have asked for."""
    return [
        params["request"]["url"]
        for method, params in chromium.events
        if method == "Network.requestWillBeSent" and not params["request"]["url"].startswith("data:")
    ]


def complaints(chromium: Browser) -> list[tuple]:
    """What the browser would say in its console."""
    return [(method, params) for method, params in chromium.events if method in QUIET]
