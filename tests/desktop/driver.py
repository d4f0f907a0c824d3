"""The window, driven by WebDriver: WebKitWebDriver starts zOS and speaks the W3C protocol."""

import json
import os
import time
import urllib.error
import urllib.request
from pathlib import Path

from app import OPENER, Zos
from machine import free_port, wait

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Refused(Exception):
    """WebDriver's own error, for example that there is no such element."""


class Window:
    """zOS with its window under control. Use it in a `with`; WebDriver starts and ends the process."""

    def __init__(self, zos: Zos):
        self._zos, self._port = zos, free_port()
        self._session = ""

    def __enter__(self) -> "Window":
        # zOS lets itself be driven only where its environment says so.
        env = self._zos.machine.env | {"TAURI_WEBVIEW_AUTOMATION": "true"}
        self._driver = self._zos.machine.start(["WebKitWebDriver", f"--port={self._port}"], env=env)
        wait(self._is_ready, "WebKitWebDriver")
        command = self._zos.command()
        options = {"binary": command[0], "args": command[1:]}
        wishes = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        self._session = self._ask("POST", "/session", wishes)["sessionId"]
        self._ask("POST", f"/session/{self._session}/timeouts", {"script": 15000})
        return self

    def __exit__(self, *_) -> None:
        if self._session:
            try:
                self._ask("DELETE", f"/session/{self._session}")
            except (Refused, OSError):
                pass  # The window is gone already; the machine ends the rest.

    def _is_ready(self) -> bool:
        try:
            return self._ask("GET", "/status")["ready"]
        except OSError:
            return False

    def _ask(self, method: str, path: str, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data, method=method)
        request.add_header("content-type", "application/json")
        try:
            with OPENER.open(request, timeout=40) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as answer:
            value = json.load(answer)["value"]
            raise Refused(f"{value['error']}: {value['message']}") from None

    def ask(self, method: str, path: str, body=None):
        """A WebDriver command of this session."""
        return self._ask(method, f"/session/{self._session}{path}", body)

    @property
    def pid(self) -> int:
        """Process id of zOS, which WebKitWebDriver started."""
        found = [pid for pid, name in self._zos.processes(self._driver.pid).items() if name.startswith("zos-desktop")]
        assert found, "zOS does not run"
        return found[0]

    def all(self, css: str) -> list[str]:
        """Ids of the elements that are there now."""
        return [found[ELEMENT] for found in self.ask("POST", "/elements", {"using": "css selector", "value": css})]

    def one(self, css: str) -> str:
        """Id of an element, waited for."""
        return wait(lambda: self.all(css), f"{css} on the page: {self.words()[:600]!r}")[0]

    def by(self, testid: str) -> str:
        return self.one(selector(testid))

    def text(self, testid: str) -> str:
        return self.ask("GET", f"/element/{self.by(testid)}/text")

    def words(self) -> str:
        """All that the page says."""
        return self.script("return document.body ? document.body.innerText : ''")

    def click(self, css: str) -> None:
        """Clicks as a person does: the element has to be there, in view and uncovered."""
        def clicked() -> bool:
            try:
                self.ask("POST", f"/element/{self.all(css)[0]}/click")
            except (Refused, IndexError) as error:
                nonlocal why
                why = str(error)
                return False
            return True

        why = ""
        try:
            wait(clicked, f"a click on {css}", 8)
        except AssertionError as error:
            raise AssertionError(f"{error}: {why}; the page: {self.words()[:600]!r}") from None

    def press(self, testid: str, within: str = "") -> None:
        self.click(f"{within} {selector(testid)}")

    def type(self, css: str, text: str) -> None:
        self.ask("POST", f"/element/{self.one(css)}/value", {"text": text})

    def script(self, code: str, *arguments):
        return self.ask("POST", "/execute/sync", {"script": code, "args": list(arguments)})

    def later(self, code: str, *arguments):
        """A script that calls its last argument with what it found."""
        return self.ask("POST", "/execute/async", {"script": code, "args": list(arguments)})

    def shows(self, words: str, seconds: float = 15) -> None:
        """Waits until the page says these words."""
        try:
            wait(lambda: words in self.words(), words, seconds)
        except AssertionError:
            raise AssertionError(f"{words!r} not within {seconds:g} s on the page: {self.words()[:900]!r}") from None

    def picture(self, name: str) -> None:
        """Keeps a picture of the window where ZOS_PICTURES names a folder (needs imagemagick).

        WebDriver's own screenshots never come where the page is painted without the graphics driver.
        """
        if folder := os.environ.get("ZOS_PICTURES"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            # What is painted comes a little after what the page says.
            time.sleep(0.5)
            shown = self._zos.machine.tool("xdotool", "search", "--onlyvisible", "--name", "^zOS$").split()[-1]
            self._zos.machine.tool("import", "-window", shown, str(Path(folder) / f"{name}.png"))


def selector(testid: str) -> str:
    return f"[data-testid='{testid}']"
