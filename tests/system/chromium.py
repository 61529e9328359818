"""A headless Chromium, driven over the two pipes of its DevTools protocol: no library, no port, no network."""

import base64
import json
import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking")


class Page:
    """One tab. `events` holds what the page said: console messages, exceptions, requests, each as (method, params)."""

    def __init__(self, write, read):
        self.write, self.read, self.last, self.events, self.session = write, read, 0, [], None
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params) -> dict:
        """Send a command and wait for its answer."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params} | ({"sessionId": self.session} if self.session else {})
        self.write.write(json.dumps(message).encode() + b"\0")
        self.write.flush()
        while True:
            said = self.hear()
            if said.get("id") == self.last:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                return said["result"]

    def hear(self) -> dict:
        """The browser's next message; an event is kept."""
        said = bytearray()
        while (byte := self.read.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("the browser has ended")
            said += byte
        message = json.loads(said)
        if "method" in message:
            self.events.append((message["method"], message["params"]))
        return message

    def open(self, url: str) -> None:
        """Load a page and wait for it; earlier events are dropped."""
        self.events.clear()
        self.ask("Page.navigate", url=url)
        while "Page.loadEventFired" not in [method for method, _ in self.events]:
            self.hear()

    def run(self, expression: str):
        """The value of a JavaScript expression in the page; a promise is waited for."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "the expression failed"))
        return answer["result"].get("value")

    def look(self, width: int, height: int, dark: bool = False, media: str = "") -> None:
        """Set the size of the window, the colour scheme and the medium (`print`)."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self, file: Path, whole: bool = False) -> None:
        """A PNG of the window or of the whole page."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}} if whole else {}
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", captureBeyondViewport=whole, **clip)["data"]))


SAID = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")

CONTRAST = """(() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$|transparent/.test(c)) return c; } return "rgb(255,255,255)"; };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  return ["p", "h1", ".lead", ".chip.good", ".chip.bad", ".side.base", ".side.rlhf", "nav a", ".key .good", "#count", ".prefix", ".both .tuned b", ".both .base b"]
    .map(s => [s, document.querySelector(s)]).filter(([, e]) => e).map(([s, e]) => [s, ratio(getComputedStyle(e).color, back(e))]);
})()"""


def quiet(page: Page, url: str) -> None:
    """The page opened at `url` has asked for nothing else, and no message or error came of it."""
    asked = [params["request"]["url"] for method, params in page.events if method == "Network.requestWillBeSent"]
    assert [other for other in asked if not other.startswith("data:image/")] == [url]
    assert [params for method, params in page.events if method in SAID] == []


def labelled(page: Page) -> None:
    """Controls, pictures and sections have names; headings begin with one of level 1 and skip no level."""
    unnamed = "[...document.querySelectorAll('input, select')].filter(c => !c.closest('label') || !c.closest('label').textContent.trim()).length"
    assert page.run(unnamed) == 0
    mute = "[...document.querySelectorAll('svg')].filter(s => s.getAttribute('role') !== 'img' || !s.getAttribute('aria-label')).length"
    assert page.run(mute) == 0
    assert page.run("[...document.querySelectorAll('section')].every(s => document.getElementById(s.getAttribute('aria-labelledby')))")
    headings = "[...document.querySelectorAll('main h1, main h2, main h3, main h4')].filter(h => h.offsetParent).map(h => Number(h.tagName[1]))"
    levels = page.run(headings)
    assert levels[0] == 1 and levels.count(1) == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))


@contextmanager
def browser(profile: Path):
    """Yields a `Page`; `profile` is a folder of its own."""
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    command = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{from_write}', "bash"]
    command += [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
    process = subprocess.Popen(command, pass_fds=(to_read, from_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(to_read)
    os.close(from_write)
    with os.fdopen(to_write, "wb") as write, os.fdopen(from_read, "rb") as read:
        try:
            page = Page(write, read)
            yield page
            page.session = None
            page.ask("Browser.close")
        finally:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
