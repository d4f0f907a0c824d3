"""A scripted provider of three APIs: chat completions, responses and messages, plain and streamed, with tools and usage.

What it answers is said by a `Script`, never by what the request looks like, but for three things that every provider
does by itself: it calls only tools that were offered, it goes on once a result of a tool came back, and a call without
tools (agents let small calls make titles) is answered in words.
"""

import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Tools of agents that run a command, by name. The rest of a call is filled in from its schema.
SHELLS = re.compile(r"(bash|shell|shell_command|exec_command|run_shell_command|run_commands?|execute_command|get_weather)", re.I)


@dataclass
class Script:
    """What one run is answered with."""

    # Words of an answer that calls no tool, and of the one after the result of a tool.
    text: str = "The answer is forty-two."
    # Command that an offered shell is called with first; none: no tool is called.
    command: str = ""
    # Expression whose first find in the request is said back after `text`.
    echo: str = ""


@dataclass
class Received:
    """One request as it arrived."""

    path: str
    headers: dict
    body: str
    tools: list = field(default_factory=list)


class Provider(ThreadingHTTPServer):
    """Listens on a port of its own from the start; `close` ends it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = Script()
        self.received = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.shutdown()
        self.server_close()


def offered(body):
    """Name and schema of every function that a request offers, whatever its API; groups of functions are walked."""
    found = []
    for tool in body.get("tools") or []:
        if tool.get("type") == "namespace":
            found += offered({"tools": tool.get("tools")})
            continue
        told = tool.get("function", tool)
        if "name" in told:
            found.append((told["name"], told.get("parameters") or told.get("input_schema") or {}))
    return found


def filled(name, schema, value):
    """A value that fits a schema, with `command` at the place of a shell's command."""
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    for way in ("anyOf", "oneOf"):
        if not kind and schema.get(way):
            return filled(name, schema[way][0], value)
    if schema.get("enum"):
        return schema["enum"][0]
    if kind == "object":
        inner = schema.get("properties", {})
        return {key: filled(key, inner[key], value) for key in schema.get("required", []) if key in inner}
    if kind == "array":
        item = filled(name, schema.get("items", {"type": "string"}), value)
        return ["bash", "-lc", value] if name == "command" and isinstance(item, str) else [item]
    if kind in ("integer", "number"):
        return 10_000
    if kind == "boolean":
        return False
    return value if name in ("command", "cmd", "commands", "city") else "say it"


def turns_back(body):
    """Whether the result of a tool stands in the conversation."""
    text = json.dumps(body)
    return '"role": "tool"' in text or '"tool_result"' in text or '_call_output"' in text


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.received.append(Received(self.path, dict(self.headers), ""))
        self.plain({"object": "list", "data": [], "has_more": False})

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        body = json.loads(text)
        self.server.received.append(Received(self.path, dict(self.headers), text, [name for name, _ in offered(body)]))
        path = self.path.split("?")[0]
        if path.endswith("/count_tokens"):
            return self.plain({"input_tokens": 11})
        api = next((api for end, api in APIS.items() if path.endswith(end)), None)
        if api is None:
            return self.plain({"error": {"message": f"no such endpoint: {path}"}}, 404)
        script = self.server.script
        shell = next(((name, schema) for name, schema in offered(body) if SHELLS.fullmatch(name)), None)
        if script.command and shell and not turns_back(body):
            answer = api(body["model"], call=(shell[0], json.dumps(filled(None, shell[1] | {"type": "object"}, script.command))))
        else:
            said = re.search(script.echo, text) if script.echo else None
            answer = api(body["model"], text=script.text + (f" You said {said.group()}." if said else ""))
        if body.get("stream"):
            return self.stream(answer.events())
        self.plain(answer.whole())

    def plain(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, events):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        try:
            for event in events:
                name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
                told = event if isinstance(event, str) else json.dumps(event)
                self.wfile.write(f"{name}data: {told}\n\n".encode())
                self.wfile.flush()
        except OSError:
            pass  # the reader cut the answer: that is what half of the runs are about
        self.close_connection = True

    def log_message(self, *_):
        pass


def pieces(text, size=7):
    return [text[at : at + size] for at in range(0, len(text), size)]


class Chat:
    def __init__(self, model, text="", call=None):
        self.model, self.text, self.call = model, text, call
        self.usage = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}

    def base(self, kind):
        return {"id": "chatcmpl-1", "object": kind, "created": 1767225600, "model": self.model}

    def whole(self):
        message = {"role": "assistant", "content": self.text or None}
        if self.call:
            name, arguments = self.call
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}]
        choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if self.call else "stop"}
        return self.base("chat.completion") | {"choices": [choice], "usage": self.usage}

    def events(self):
        def chunk(delta, finish=None):
            return self.base("chat.completion.chunk") | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

        yield chunk({"role": "assistant", "content": ""})
        for piece in pieces(self.text):
            yield chunk({"content": piece})
        if self.call:
            name, arguments = self.call
            opened = {"index": 0, "id": "call_1", "type": "function", "function": {"name": name, "arguments": ""}}
            yield chunk({"tool_calls": [opened]})
            for piece in pieces(arguments):
                yield chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        yield chunk({}, "tool_calls" if self.call else "stop")
        yield self.base("chat.completion.chunk") | {"choices": [], "usage": self.usage}
        yield "[DONE]"


class Messages:
    def __init__(self, model, text="", call=None):
        self.model, self.text, self.call = model, text, call
        self.reason = "tool_use" if call else "end_turn"

    def message(self, content, reason, output):
        return {"id": "msg_1", "type": "message", "role": "assistant", "model": self.model, "content": content,
                "stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 21, "output_tokens": output}}

    def whole(self):
        if self.call:
            block = {"type": "tool_use", "id": "toolu_1", "name": self.call[0], "input": json.loads(self.call[1])}
        else:
            block = {"type": "text", "text": self.text}
        return self.message([block], self.reason, 9)

    def events(self):
        yield {"type": "message_start", "message": self.message([], None, 1)}
        if self.call:
            block = {"type": "tool_use", "id": "toolu_1", "name": self.call[0], "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(self.call[1])]
        else:
            block = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(self.text)]
        yield {"type": "content_block_start", "index": 0, "content_block": block}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": 0, "delta": delta}
        yield {"type": "content_block_stop", "index": 0}
        yield {"type": "message_delta", "delta": {"stop_reason": self.reason, "stop_sequence": None}, "usage": {"output_tokens": 9}}
        yield {"type": "message_stop"}


class Responses:
    def __init__(self, model, text="", call=None):
        self.model, self.text, self.call = model, text, call

    def response(self, status, output):
        usage = {"input_tokens": 21, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 9,
                 "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 30}
        return {"id": "resp_1", "object": "response", "created_at": 1767225600, "status": status, "model": self.model,
                "output": output, "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "error": None,
                "incomplete_details": None, "usage": usage if status == "completed" else None}

    def item(self, status):
        if self.call:
            name, arguments = self.call
            return {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name, "status": status,
                    "arguments": arguments if status == "completed" else ""}
        part = {"type": "output_text", "text": self.text, "annotations": []}
        return {"type": "message", "id": "msg_1", "role": "assistant", "status": status,
                "content": [part] if status == "completed" else []}

    def whole(self):
        return self.response("completed", [self.item("completed")])

    def events(self):
        for number, event in enumerate(self.steps()):
            yield event | {"sequence_number": number}

    def steps(self):
        yield {"type": "response.created", "response": self.response("in_progress", [])}
        yield {"type": "response.output_item.added", "output_index": 0, "item": self.item("in_progress")}
        if self.call:
            place = {"item_id": "fc_1", "output_index": 0}
            for piece in pieces(self.call[1]):
                yield place | {"type": "response.function_call_arguments.delta", "delta": piece}
            yield place | {"type": "response.function_call_arguments.done", "name": self.call[0], "arguments": self.call[1]}
        else:
            place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
            part = {"type": "output_text", "text": "", "annotations": []}
            yield place | {"type": "response.content_part.added", "part": part}
            for piece in pieces(self.text):
                yield place | {"type": "response.output_text.delta", "delta": piece, "logprobs": []}
            yield place | {"type": "response.output_text.done", "text": self.text, "logprobs": []}
            yield place | {"type": "response.content_part.done", "part": part | {"text": self.text}}
        yield {"type": "response.output_item.done", "output_index": 0, "item": self.item("completed")}
        yield {"type": "response.completed", "response": self.whole()}


APIS = {"/chat/completions": Chat, "/messages": Messages, "/responses": Responses}
