"""The clients: what installs each, how its configuration points at zOS, and what asks it one prompt.

A row is data and one small function that writes into a throw-away home and gives command and environment. A client with
several APIs has a row for each.
"""

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent


@dataclass
class Ask:
    """One prompt, and how the client shall reach zOS."""

    # The gateway, with the path of a room where there is one; `/v1` is the client's business.
    root: str
    prompt: str
    home: Path
    key: str = "zos"
    # Headers of the caller's own, such as the room.
    headers: dict = None
    model: str = ""

    @property
    def v1(self):
        return self.root + "/v1"

    def write(self, name, value):
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))


@dataclass
class Client:
    """One client on one of its APIs."""

    name: str
    # What it is called in its registry, with its version; the first is the client itself.
    packages: tuple
    # chat, responses or messages.
    api: str
    # Writes the configuration; gives the command (first word: a program of its own folder) and the environment.
    prepare: Callable
    model: str = ""
    # False where it takes no header of the caller's own.
    takes_headers: bool = True
    # False where it calls no tools.
    calls_tools: bool = True
    # False where `prepare` asks without a stream, so that nothing can be cut in one.
    streams: bool = True
    # True where it is a Python package.
    is_python: bool = False
    # Folder of its installation; rows of one client share it.
    folder: str = ""
    # Checks in which it is known to ask more often than once whatever it is told, with how often. More is a fault.
    again: dict = field(default_factory=dict)
    # Why it cannot run here, where it cannot.
    skipped: str = ""

    @property
    def version(self):
        return self.packages[0].rsplit("==" if self.is_python else "@", 1)[-1]

    @property
    def place(self):
        return self.folder or self.name


MODELS = {"chat": "gpt-5", "responses": "gpt-5", "messages": "claude-sonnet-4-5"}


def claude_code(ask):
    env = {"ANTHROPIC_BASE_URL": ask.root, "ANTHROPIC_API_KEY": ask.key, "DISABLE_AUTOUPDATER": "1",
           "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
    if ask.headers:
        env["ANTHROPIC_CUSTOM_HEADERS"] = "\n".join(f"{name}: {value}" for name, value in ask.headers.items())
    return ["claude", "-p", ask.prompt, "--model", ask.model, "--allowedTools", "Bash"], env


def codex(ask):
    headers = ", ".join(f'"{name}" = "{value}"' for name, value in (ask.headers or {}).items())
    ask.write(".codex/config.toml", f'''model = "{ask.model}"
model_provider = "zos"
[model_providers.zos]
name = "zOS"
base_url = "{ask.v1}"
wire_api = "responses"
env_key = "ZOS_KEY"
http_headers = {{ {headers} }}
''')
    bare = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return ["codex", "exec", *bare, ask.prompt], {"ZOS_KEY": ask.key}


def opencode(provider, package=None):
    def prepare(ask):
        options = {"baseURL": ask.v1, "apiKey": ask.key, "headers": ask.headers or {}}
        told = {"options": options, "models": {ask.model: {"name": ask.model, "tool_call": True}}}
        if package:
            told["npm"] = package
        config = {"provider": {provider: told}, "autoupdate": False, "share": "disabled", "permission": "allow"}
        env = {"OPENCODE_CONFIG_CONTENT": json.dumps(config), "OPENCODE_DISABLE_MODELS_FETCH": "1"}
        return ["opencode", "run", "-m", f"{provider}/{ask.model}", ask.prompt], env

    return prepare


def qwen(auth, prefix, is_rooted=False):
    def prepare(ask):
        generation = {"customHeaders": ask.headers} if ask.headers else {}
        ask.write(".qwen/settings.json", {"model": {"name": ask.model, "generationConfig": generation},
                                          "security": {"auth": {"selectedType": auth}}})
        env = {f"{prefix}_BASE_URL": ask.root if is_rooted else ask.v1, f"{prefix}_API_KEY": ask.key,
               f"{prefix}_MODEL": ask.model}
        return ["qwen", "-p", ask.prompt, "--auth-type", auth, "-m", ask.model, "--yolo"], env

    return prepare


def copilot(kind, wire=None):
    def prepare(ask):
        env = {"COPILOT_PROVIDER_BASE_URL": ask.root if kind == "anthropic" else ask.v1, "COPILOT_PROVIDER_TYPE": kind,
               "COPILOT_PROVIDER_API_KEY": ask.key, "COPILOT_MODEL": ask.model, "COPILOT_OFFLINE": "true"}
        if wire:
            env["COPILOT_PROVIDER_WIRE_API"] = wire
        if ask.headers:
            env["COPILOT_PROVIDER_HEADERS"] = json.dumps(ask.headers)
        return ["copilot", "-p", ask.prompt, "--allow-all-tools"], env

    return prepare


def cline(provider):
    def prepare(ask):
        settings = {"provider": provider, "model": ask.model, "baseUrl": ask.v1, "apiKey": ask.key}
        entry = {"settings": settings, "tokenSource": "manual", "updatedAt": "2026-01-01T00:00:00.000Z"}
        ask.write(".cline/data/settings/providers.json",
                  {"version": 1, "lastUsedProvider": provider, "providers": {provider: entry}})
        return ["cline", "-P", provider, "-m", ask.model, ask.prompt], {}

    return prepare


def continue_cli(provider):
    def prepare(ask):
        model = {"name": "zos", "provider": provider, "model": ask.model, "apiBase": ask.v1, "apiKey": ask.key,
                 "roles": ["chat"], "capabilities": ["tool_use"], "requestOptions": {"headers": ask.headers or {}}}
        # JSON is YAML.
        ask.write(".continue/config.yaml", {"name": "zos", "version": "1.0.0", "schema": "v1", "models": [model]})
        env = {"CONTINUE_TELEMETRY_ENABLED": "0"}
        return ["cn", "-p", "--auto", "--config", str(ask.home / ".continue/config.yaml"), ask.prompt], env

    return prepare


def pi(api):
    def prepare(ask):
        base = ask.root if api == "anthropic-messages" else ask.v1
        provider = {"baseUrl": base, "api": api, "apiKey": ask.key, "models": [{"id": ask.model}]}
        if ask.headers:
            provider["headers"] = ask.headers
        ask.write(".pi/agent/models.json", {"providers": {"zos": provider}})
        return ["pi", "-p", "--provider", "zos", "--model", ask.model, ask.prompt], {"PI_OFFLINE": "1"}

    return prepare


def llm(ask):
    model = {"model_id": "zos", "model_name": ask.model, "api_base": ask.v1, "api_key_name": "zos", "supports_tools": True,
             "headers": ask.headers or {}}
    ask.write("llm/extra-openai-models.yaml", json.dumps([model]))
    ask.write("llm/keys.json", {"zos": ask.key})
    weather = 'def get_weather(city: str) -> str:\n    "The weather of a city."\n    return "tool-ran-" + str(6 * 7)\n'
    return ["llm", "-m", "zos", "--functions", weather, ask.prompt], {"LLM_USER_PATH": str(ask.home / "llm")}


def aider(ask):
    quiet = ["--yes-always", "--no-git", "--no-show-model-warnings", "--no-check-update", "--analytics-disable", "--no-pretty"]
    env = {"OPENAI_API_BASE": ask.v1, "OPENAI_API_KEY": ask.key, "AIDER_HOME": str(ask.home)}
    return ["aider", "--message", ask.prompt, "--model", f"openai/{ask.model}", *quiet], env


def program(file, *options):
    """A program of ours over an SDK, which prints what it got or the error that it met, as programs do."""

    def prepare(ask):
        env = {"BASE": ask.root, "KEY": ask.key, "HEADERS": json.dumps(ask.headers or {}), "MODEL": ask.model, "PROMPT": ask.prompt}
        return ["python" if file.endswith(".py") else "node", str(HERE / "programs" / file), *options], env

    return prepare


def rows(name, packages, by_api, **facts):
    """A row for each API of one client."""
    for api, prepare in by_api.items():
        label = name if len(by_api) == 1 else f"{name} {api}"
        yield Client(label, packages, api, prepare, folder=name, model=facts.get("model") or MODELS[api],
                     **{key: value for key, value in facts.items() if key != "model"})


def sdk(name, packages, file, apis, **facts):
    yield from rows(name, packages, {api: program(file, api) for api in apis}, is_python=file.endswith(".py"), **facts)


CLIENTS = [
    *rows("claude-code", ("@anthropic-ai/claude-code@2.1.332",), {"messages": claude_code},
          # After an error inside a call it asks once more without a stream, and shows why that is refused.
          again={"tool cut": 2}),
    *rows("codex", ("@openai/codex@0.171.0",), {"responses": codex}),
    *rows("opencode", ("opencode-ai@1.18.33",), {
        "messages": opencode("anthropic"), "responses": opencode("openai"),
        "chat": opencode("zos", "@ai-sdk/openai-compatible")}),
    *rows("pi", ("@earendil-works/pi-coding-agent@1.6.0",), {
        "messages": pi("anthropic-messages"), "responses": pi("openai-responses"), "chat": pi("openai-completions")}),
    *rows("qwen-code", ("@qwen-code/qwen-code@0.24.4",), {
        "chat": qwen("openai", "OPENAI"), "messages": qwen("anthropic", "ANTHROPIC", is_rooted=True),
        "responses": qwen("openai-responses", "OPENAI")}),
    *rows("copilot", ("@github/copilot@1.0.102",), {
        "chat": copilot("openai", "completions"), "responses": copilot("openai", "responses"), "messages": copilot("anthropic")}),
    *rows("cline", ("cline@3.0.65",), {"chat": cline("openai-compatible"), "messages": cline("anthropic")}, takes_headers=False),
    *rows("continue", ("@continuedev/cli@1.5.47",), {"responses": continue_cli("openai"), "messages": continue_cli("anthropic")}),
    *rows("gemini-cli", ("@google/gemini-cli@0.61.0",), {"chat": None}, skipped="speaks only Gemini's API"),
    *rows("crush", ("@charmland/crush@0.96.1",), {"chat": None},
          skipped="its package fetches the program from outside of the registry"),
    *rows("aider", ("aider-chat==0.86.2",), {"chat": aider}, is_python=True, takes_headers=False, calls_tools=False),
    *rows("llm", ("llm==0.36",), {"chat": llm}, is_python=True),
    *sdk("openai", ("openai==3.57.0",), "openai_sdk.py", ("chat", "responses")),
    *sdk("anthropic", ("anthropic==2.14.0",), "anthropic_sdk.py", ("messages",)),
    *sdk("google-genai", ("google-genai==3.6.1",), "google.py", ("chat",), skipped="speaks only Gemini's API"),
    *sdk("langchain", ("langchain==1.5.2", "langchain-openai==1.7.4", "langchain-anthropic==1.7.10"), "langchain_sdk.py", ("chat", "messages")),
    *sdk("pydantic-ai", ("pydantic-ai==2.62.0",), "pydantic_ai_sdk.py", ("chat", "responses", "messages")),
    *sdk("openai-agents", ("openai-agents==0.24.0",), "openai_agents_sdk.py", ("responses", "chat")),
    *sdk("litellm", ("litellm==1.110.2",), "litellm_sdk.py", ("chat", "messages")),
    *sdk("ai-sdk", ("ai@7.0.173", "@ai-sdk/openai@4.0.118", "@ai-sdk/anthropic@4.0.105", "zod@4.6.7"), "ai_sdk.mjs",
         ("chat", "responses", "messages")),
]


def command_of(client, command, scratch):
    """The command with the path of its program."""
    if command[0] == "node":
        # Node looks for packages beside the program.
        beside = scratch / client.place / Path(command[1]).name
        shutil.copy(command[1], beside)
        return ["node", str(beside), *command[2:]]
    folder = scratch / client.place / ("bin" if client.is_python else "node_modules/.bin")
    return [str(folder / command[0]), *command[1:]]


if __name__ == "__main__":
    # Folder, kind and packages of every client that can be installed, for scripts/setup; names choose some.
    chosen, told = sys.argv[1:], set()
    for client in CLIENTS:
        if client.place not in told and not client.skipped and (not chosen or client.place in chosen):
            told.add(client.place)
            print(client.place, "pip" if client.is_python else "npm", *client.packages)
