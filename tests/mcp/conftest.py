"""A real `zos serve` on a scratch home with two rooms, a canon and some memories."""

import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ZOS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "zos"

FILES = {
    "contexts/acme.yml": "outbound_deny: [Project Falcon]\n",
    "contexts/globex.yml": "isolation: open\n",
    "state.json": '{"active": "acme"}',
    "manifest.json": '["brain/a.md"]',
    "brain/a.md": "---\nlevel: owner\n---\n## Tone\nBe brief.\n",
}


def zos(home, *arguments):
    command = [ZOS, "--home", home, "--json", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.fixture
def home(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for room, text in [
        ("acme", "Ann prefers tea in the morning."),
        ("acme", "The tea codename is Project Falcon."),
        ("globex", "Globex drinks only green tea."),
    ]:
        zos(tmp_path, "memory", "add", "-c", room, text)
    return tmp_path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def url(home):
    port = free_port()
    # The suite also asks as a page would that the owner has listed.
    (home / "gateway").mkdir(exist_ok=True)
    (home / "gateway/config.yml").write_text(f'auth: {{allowed_origins: ["http://127.0.0.1:{port}"]}}\n')
    command = [ZOS, "serve", "--home", home, "--listen", f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = re.search(r"http://[\d.:]+", process.stdout.readline())
        assert address, "zos serve did not say where it listens"
        yield address.group()
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def calls(home):
    """The records of MCP messages."""
    lines = [line for file in sorted((home / "gateway/audit").glob("*.jsonl")) for line in file.open()]
    return [record for record in map(json.loads, lines) if record.get("face") == "mcp"]
