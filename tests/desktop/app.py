"""zOS itself, started on a test's machine, and the calls that go through its port."""

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from machine import Machine, free_port, wait

BINARY = os.environ.get("ZOS_DESKTOP", "")

# Loopback is never proxied, whatever the environment says.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Answer:
    """What came back over the port."""

    status: int
    headers: dict[str, str]
    body: str

    def json(self):
        return json.loads(self.body)


class Zos:
    """A home and the desktop on it."""

    def __init__(self, machine: Machine, rooms: dict[str, str] | None = None, active: str | None = None,
                 config: str = ""):
        self.machine, self.home = machine, machine.home
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        self._calls: ThreadPoolExecutor | None = None
        (self.home / "gateway").mkdir(parents=True)
        (self.home / "contexts").mkdir()
        (self.home / "gateway/config.yml").write_text(f"listen: 127.0.0.1:{self.port}\n{config}")
        for name, text in (rooms or {}).items():
            self.write_room(name, text)
        if active:
            (self.home / "state.json").write_text(json.dumps({"active": active, "theirs": {"kept": True}}))

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def write_room(self, name: str, text: str) -> Path:
        path = self.home / f"contexts/{name}.yml"
        path.write_text(text)
        return path

    def command(self, *arguments: str) -> list[str]:
        return [BINARY, "--home", str(self.home), *arguments]

    def start(self, *arguments: str, listens: bool = True) -> "Zos":
        """Starts the desktop and waits for its port."""
        self.process = self.machine.start(self.command(*arguments))
        if listens:
            wait(lambda: self.is_up() or self._has_ended(), "the port of zOS")
        return self

    def _has_ended(self) -> bool:
        assert self.process.poll() is None, f"zOS ended with {self.process.returncode}: {self.log()}"
        return False

    def is_up(self) -> bool:
        try:
            return self.get("/healthz").status == 200
        except OSError:
            return False

    def state(self) -> dict:
        return json.loads((self.home / "state.json").read_text())

    def log(self) -> str:
        """What zOS said, all days of it."""
        return "".join(path.read_text() for path in sorted(self.home.glob("logs/zos.2*.log")))

    def get(self, path: str, **headers: str) -> Answer:
        return self._send("GET", path, None, headers)

    def call_held(self, text: str) -> Future[Answer]:
        """One call that waits for the owner, made beside the test."""
        if self._calls is None:
            self._calls = ThreadPoolExecutor(4)
        return self._calls.submit(self.call, text)

    def call(self, text: str = "Hello", **headers: str) -> Answer:
        """One call to the demo model, as an AI client makes it."""
        body = {"model": "demo/echo", "messages": [{"role": "user", "content": text}]}
        return self._send("POST", "/v1/chat/completions", body, headers)

    def _send(self, method: str, path: str, body, headers: dict[str, str]) -> Answer:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, method=method)
        request.add_header("content-type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with OPENER.open(request, timeout=10) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read().decode())
        except urllib.error.HTTPError as answer:
            return Answer(answer.code, dict(answer.headers), answer.read().decode())

    def processes(self, pid: int | None = None) -> dict[int, str]:
        """zOS and all it started: process id and name."""
        return tree(pid or self.process.pid)

    def memory_mb(self, pid: int | None = None) -> float:
        """What all its processes hold, shared pages counted once (PSS)."""
        total = 0
        for one in self.processes(pid):
            try:
                rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            except OSError:
                continue
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1])
        return total / 1024


def tree(root: int) -> dict[int, str]:
    """A process and its descendants."""
    children: dict[int, list[int]] = {}
    names: dict[int, str] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        # The name stands in parentheses and may hold any character.
        head, _, tail = text.rpartition(")")
        pid, _, name = head.partition(" (")
        state, parent = tail.split()[:2]
        if state != "Z":
            children.setdefault(int(parent), []).append(int(pid))
            names[int(pid)] = name
    found, waiting = {}, [root]
    while waiting:
        pid = waiting.pop()
        if pid in names:
            found[pid] = names[pid]
            waiting += children.get(pid, [])
    return found
