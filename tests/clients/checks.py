"""The checks: what one prompt of a client must come to, by records, by what went up, and by what its person reads."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import stage
from clients import Ask, command_of
from provider import Script

SAID = "The answer is forty-two."
# A tool's output, which no prompt and no call holds as it stands.
RAN = "tool-ran-42"
COMMAND = "echo tool-ran-$((6*7))"
# A file that a command makes before the words for which it is stopped.
HALF = "made-by-half-a-call"


@dataclass
class Run:
    """What came of one prompt."""

    ended: stage.Ended
    # Records of requests for an answer, all records of calls, and what reached the provider.
    asked: list
    records: list
    received: list
    # Decisions that the owner had to make.
    allowed: int = 0
    # Whether a command ran that was stopped in the middle of its call.
    has_run_half: bool = False


@dataclass
class Outcome:
    """What a check found: the mark of the matrix, and everything that is not as promised."""

    asked: int
    faults: list = field(default_factory=list)
    # Whether it asked more often than one prompt needs, as it is known to.
    is_again: bool = False

    @property
    def mark(self):
        if self.faults:
            return f"✗ {self.asked}"
        return f"✓ {self.asked}" if self.is_again else "✓"


def drive(client, house, provider, script, prompt, room="acme", by="path", key="zos", decide=False):
    """One prompt through a client in a home of its own."""
    provider.script, allowed = script, []
    provider.received.clear()
    before = len(house.records())
    with tempfile.TemporaryDirectory(prefix="client-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        (home / "work").mkdir()
        ask = Ask(root=f"{house.url}/rooms/{room}" if by == "path" else house.url, prompt=prompt, home=home, key=key,
                  headers={"X-ZOS-Context": room} if by == "header" else None, model=client.model)
        command, env = client.prepare(ask)

        def meanwhile():
            for approval in house.zos("allow")["approvals"] if decide else []:
                house.zos("allow", approval["id"])
                allowed.append(approval["id"])

        count = lambda: len([record for record in house.records()[before:] if record["face"] in stage.FACES])
        ended = stage.run(command_of(client, command, stage.SCRATCH), env, home, count, meanwhile)
        has_run_half = any(home.rglob(f"{HALF}*"))
    records = house.records()[before:]
    asked = [record for record in records if record["face"] in stage.FACES]
    return Run(ended, asked, records, list(provider.received), len(allowed), has_run_half)


def governed(run, room, faults, name=None):
    """Every answer that was asked for has a record in its room, with the client's name where its key has one."""
    if not run.asked:
        faults.append("no record of any call")
    rooms = {record["context"] for record in run.asked}
    if run.asked and rooms != {room}:
        faults.append(f"recorded in {', '.join(sorted(map(str, rooms)))} instead of {room}")
    if name and {record["client"] for record in run.asked} != {name}:
        faults.append("the record does not name the client")


def whole(run, faults, said=SAID):
    if run.ended.stopped:
        faults.append(f"does not end by itself: {run.ended.stopped}")
    elif run.ended.code != 0:
        faults.append(f"ends with {run.ended.code}")
    if said not in run.ended.screen:
        faults.append(f"does not show {said!r}")


def refused(run, sentence, faults, once):
    """A refusal ends the client, is not bought again, and is read as our sentence, which says what to do."""
    if run.ended.stopped:
        faults.append(f"does not end by itself: {run.ended.stopped}")
    if len(run.asked) > once:
        faults.append(f"asked {len(run.asked)} times")
    if sentence not in run.ended.screen:
        faults.append("does not show our sentence")
    if stage.DENIED in run.ended.screen.replace(PROMPT_DENIED, ""):
        faults.append("shows what is denied")


PROMPT = "What is the answer? Say it in one sentence."
# Some clients say the prompt back, which is no find.
PROMPT_DENIED = f"Tell me of {stage.DENIED} in one sentence."
HELD = "something that the room"


def plain(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID), PROMPT), []
    whole(run, faults)
    governed(run, "acme", faults)
    return Outcome(len(run.asked), faults)


def loop(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID, COMMAND), PROMPT), []
    whole(run, faults)
    governed(run, "acme", faults)
    if not any(RAN in received.body for received in run.received):
        offered = sorted({name for received in run.received for name in received.tools})
        faults.append("no result of a tool went up; offered: " + ", ".join(offered))
    return Outcome(len(run.asked), faults)


def denied(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID), PROMPT_DENIED), []
    refused(run, HELD, faults, once)
    governed(run, "acme", faults)
    if any(stage.DENIED in received.body for received in run.received):
        faults.append("what is denied went up")
    return Outcome(len(run.asked), faults)


def cut(client, house, provider, once):
    text = f"The birds are counted by {stage.DENIED} every year, and then some more words follow."
    run, faults = drive(client, house, provider, Script(text), PROMPT), []
    refused(run, HELD, faults, once)
    governed(run, "acme", faults)
    return Outcome(len(run.asked), faults)


def cut_call(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID, f"touch {HALF}; echo {stage.DENIED}"), PROMPT), []
    if run.has_run_half:
        faults.append("runs half a call")
    refused(run, HELD, faults, once)
    governed(run, "acme", faults)
    return Outcome(len(run.asked), faults)


def over_budget(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID), PROMPT, room="poor"), []
    refused(run, "daily budget of context", faults, once)
    governed(run, "poor", faults)
    if any("/count_tokens" not in received.path and received.body for received in run.received):
        faults.append("a call went up that no budget holds")
    return Outcome(len(run.asked), faults)


def redacted(client, house, provider, once):
    prompt = f"Greet {stage.REDACTED} in one sentence."
    run, faults = drive(client, house, provider, Script(SAID, echo="⟦person-[0-9a-z-]+⟧|\\\\u27e6person-[0-9a-z-]+\\\\u27e7"), prompt), []
    whole(run, faults, f"You said {stage.REDACTED}.")
    governed(run, "acme", faults)
    if any(stage.REDACTED in received.body for received in run.received):
        faults.append("what is redacted went up")
    return Outcome(len(run.asked), faults)


def asked(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID), f"What of {stage.ASKED}? One sentence.", decide=True), []
    whole(run, faults)
    governed(run, "acme", faults)
    if not run.allowed:
        faults.append("nothing was asked of the owner")
    return Outcome(len(run.asked), faults)


def by_path(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID), PROMPT, room="side"), []
    whole(run, faults)
    governed(run, "side", faults)
    return Outcome(len(run.asked), faults)


def by_header(client, house, provider, once):
    run, faults = drive(client, house, provider, Script(SAID), PROMPT, room="side", by="header"), []
    whole(run, faults)
    governed(run, "side", faults)
    return Outcome(len(run.asked), faults)


def by_key(client, house, provider, once):
    name = client.place
    key = house.zos("key", "add", name, "-c", "side")["key"]
    run, faults = drive(client, house, provider, Script(SAID), PROMPT, room="side", by="key", key=key), []
    whole(run, faults)
    governed(run, "side", faults, name)
    if any(key in json.dumps(received.headers) + received.body for received in run.received):
        faults.append("the key of zOS went up")
    return Outcome(len(run.asked), faults)


@dataclass
class Check:
    """A column of the matrix."""

    name: str
    run: object
    # API of the provider behind zOS; none: the client's own.
    behind: str = ""

    def fits(self, client):
        if self.behind == client.api:
            return False
        if self.run is by_header and not client.takes_headers:
            return False
        if self.run in (loop, cut_call) and not client.calls_tools:
            return False
        return client.streams or self.run not in (cut, cut_call)


CHECKS = [
    Check("plain", plain), Check("loop", loop), Check("denied", denied), Check("cut", cut), Check("tool cut", cut_call),
    Check("budget", over_budget), Check("redacted", redacted), Check("asked", asked),
    Check("path", by_path), Check("header", by_header), Check("key", by_key),
    # No API is carried to responses.
    Check("→ chat", loop, "chat"), Check("→ messages", loop, "messages"),
]
