"""A `zos serve` on a home of its own, and a client's run in another, ended by what it does rather than by a clock."""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / ".scratch" / "clients"
NODE = SCRATCH / "node" / "node_modules" / "node" / "bin"
ZOS = Path(os.environ.get("ZOS_BINARY") or Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "zos")

# What the rooms know. The text of an answer that is cut goes on after the term.
DENIED = "Project Falcon"
REDACTED = "Ann Lee"
ASKED = "Project Heron"
ROOMS = {
    "acme": f"outbound_deny: [{DENIED}, {{term: {REDACTED}, action: redact, note: person}}, {{term: {ASKED}, action: ask}}]\n",
    "poor": "budget: {daily_tokens: 1}\n",
    "side": "isolation: hard\n",
}
# A client that asked this often for one prompt does not stop by itself.
ASKED_MAX = 12
# Only ends what waits for ever; no check is decided by it alone.
STOP_S = float(os.environ.get("STOP_S", "75"))


@dataclass
class House:
    """A gateway that runs, by its address and its home."""

    url: str
    home: Path

    def records(self, kinds=("call",)):
        """The records so far, without those of requests that ask for no answer (models, token counts)."""
        lines = [line for file in sorted((self.home / "gateway/audit").glob("*.jsonl")) for line in open(file)]
        records = [json.loads(line) for line in lines if line.endswith("\n")]
        return [record for record in records if record["kind"] in kinds]

    def asked(self):
        """Requests for an answer, as recorded."""
        return [record for record in self.records() if record["face"] in FACES]

    def zos(self, *arguments):
        """A command of zOS on this home, by what it prints as JSON."""
        done = subprocess.run([ZOS, "--home", self.home, "--json", *arguments], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)


# Names of faces in records, of those that answer.
FACES = {"chat_completions", "messages", "responses", "generate_content", "gemini", "completions", "chat"}


@contextmanager
def house(provider, api):
    """A gateway all of whose models are at `provider`, behind one API: chat, responses or messages."""
    kind = "anthropic" if api == "messages" else "openai"
    url = provider.url + ("" if kind == "anthropic" else "/v1")
    responses = "" if api != "chat" else ", responses: false"
    with tempfile.TemporaryDirectory(prefix="zos-clients-") as folder:
        files = {f"contexts/{name}.yml": text for name, text in ROOMS.items()} | {
            "state.json": '{"active": "acme"}',
            "routing/fleet.yml": f'version: 1\nproviders:\n  only: {{api: {kind}, base_url: "{url}", key: none{responses}}}\n'
            'models:\n  - {match: "*", provider: only}\ndefaults: {retries: 0}\n',
        }
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        command = [ZOS, "serve", "--home", folder, "--listen", "127.0.0.1:0"]
        with open(Path(folder, "log"), "w") as log:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            first = process.stdout.readline()
            address = re.search(r"http://[\d.:]+", first)
            assert address, f"zos serve did not say where it listens: {first!r}"
            yield House(address.group(), Path(folder))
        finally:
            process.terminate()
            process.wait(20)
            process.stdout.close()


@dataclass
class Ended:
    """How a client's run ended."""

    # What stands in the terminal: without colours, any white space as one space.
    screen: str
    # Its exit code; none where it was stopped.
    code: int | None
    # Why it was stopped: `asks on` or `waits`; empty where it ended by itself.
    stopped: str = ""


def run(command, env, folder, count, meanwhile=lambda: None):
    """Runs a client until it ends, has asked `ASKED_MAX` times, or seems to wait for ever; ends all that it began."""
    kept = {name: os.environ[name] for name in ("LANG", "TMPDIR", "HTTP_PROXY", "HTTPS_PROXY") if name in os.environ}
    path = f"{NODE}:{os.environ['PATH']}"
    with open(folder / "screen", "w+", errors="replace") as screen:
        process = subprocess.Popen(
            command, cwd=folder / "work", stdin=subprocess.DEVNULL, stdout=screen, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
            env=kept | {"PATH": path, "HOME": str(folder), "TERM": "dumb", "NO_COLOR": "1", "CI": "1",
                        "NO_PROXY": "127.0.0.1", **own_places(folder), **env},
        )
        stopped, until = "", time.monotonic() + STOP_S
        try:
            while process.poll() is None and not stopped:
                meanwhile()
                if count() >= ASKED_MAX:
                    stopped = "asks on"
                elif time.monotonic() > until:
                    stopped = "waits"
                else:
                    time.sleep(0.1)
        finally:
            end_all(process, folder)
        screen.seek(0)
        told = screen.read()
    return Ended(plain(told), None if stopped else process.returncode, stopped)


def own_places(folder):
    """Places of configuration below a home, so that nothing of this machine's user is read."""
    places = {"XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".local/share", "XDG_STATE_HOME": ".local/state", "XDG_CACHE_HOME": ".cache"}
    return {name: str(folder / place) for name, place in places.items()}


def end_all(process, folder):
    """Ends a client with all that it started, known by the home they were given: some leave a daemon behind."""
    mark = f"HOME={folder}".encode()
    for number in [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]:
        try:
            if mark in Path(f"/proc/{number}/environ").read_bytes().split(b"\0"):
                os.kill(number, signal.SIGKILL)
        except OSError:
            continue  # ended meanwhile, or another user's
    process.kill()
    process.wait()


def plain(text):
    text = re.sub(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|\][^\x07]*\x07|[()][A-Z0-9])", "", text)
    return re.sub(r"[\s│┃|]+", " ", text.replace('\\"', '"').replace("\\n", " "))
