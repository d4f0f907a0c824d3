"""The official SDKs, unchanged but for their base URL."""

import json

import anthropic
import openai
import pytest

TERM = "Project Falcon"
HELLO = [{"role": "user", "content": "Hello"}]
SECRET = [{"role": "user", "content": f"About {TERM}"}]


@pytest.fixture
def claude(zos):
    return anthropic.Anthropic(base_url=zos, api_key="zos")


@pytest.fixture
def gpt(zos):
    return openai.OpenAI(base_url=f"{zos}/v1", api_key="zos")


def chat_events(text):
    """Chunks of one letter each."""
    chunk = lambda delta, finish=None: "data: " + json.dumps(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
         "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) + "\n\n"
    return [*(chunk({"content": letter}) for letter in text), chunk({}, "stop"), "data: [DONE]\n\n"]


def message_events(text, block={"type": "text", "text": ""}, delta=lambda letter: {"type": "text_delta", "text": letter}):
    event = lambda data: f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None,
               "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 1}}
    return [
        event({"type": "message_start", "message": message}),
        event({"type": "content_block_start", "index": 0, "content_block": block}),
        *(event({"type": "content_block_delta", "index": 0, "delta": delta(letter)}) for letter in text),
        event({"type": "content_block_stop", "index": 0}),
        event({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": {"output_tokens": 9}}),
        event({"type": "message_stop"}),
    ]


def response_events(text):
    event = lambda data: f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"
    response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": "in_progress", "output": [],
                "parallel_tool_calls": True, "tool_choice": "auto", "tools": []}
    place = {"item_id": "i", "output_index": 0, "content_index": 0}
    return [
        event({"type": "response.created", "sequence_number": 0, "response": response}),
        *(event({"type": "response.output_text.delta", "sequence_number": n + 1, "delta": letter, "logprobs": [], **place})
          for n, letter in enumerate(text)),
        event({"type": "response.completed", "sequence_number": 999, "response": {**response, "status": "completed"}}),
    ]


# Every face, against the built-in demo.

def test_messages(claude):
    message = claude.messages.create(model="demo/echo", max_tokens=50, messages=HELLO)
    assert message.content[0].text.endswith("Hello") and message.usage.output_tokens > 0


def test_messages_stream(claude):
    with claude.messages.stream(model="demo/echo", max_tokens=50, messages=HELLO) as stream:
        assert "".join(stream.text_stream).endswith("Hello")
        assert stream.get_final_message().stop_reason == "end_turn"


def test_count_tokens(claude):
    assert claude.messages.count_tokens(model="demo/echo", messages=HELLO).input_tokens > 0


def test_chat(gpt):
    assert gpt.chat.completions.create(model="demo/echo", messages=HELLO).choices[0].message.content.endswith("Hello")


def test_chat_stream(gpt):
    chunks = list(gpt.chat.completions.create(model="demo/echo", messages=HELLO, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices).endswith("Hello")
    assert chunks[-1].usage.completion_tokens > 0


def test_completions(gpt):
    answer = gpt.completions.create(model="demo/echo", prompt="Hello")
    assert answer.choices[0].text.endswith("Hello") and answer.usage.completion_tokens > 0


def test_completions_stream(gpt):
    chunks = list(gpt.completions.create(model="demo/echo", prompt="Hello", stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices).endswith("Hello")
    assert chunks[-1].usage.completion_tokens > 0


def test_responses(gpt):
    assert gpt.responses.create(model="demo/echo", input="Hello").output_text.endswith("Hello")


def test_responses_stream(gpt):
    with gpt.responses.stream(model="demo/echo", input="Hello") as stream:
        assert [event.type for event in stream][-1] == "response.completed"
        assert stream.get_final_response().output_text.endswith("Hello")


def test_embeddings(gpt):
    # The SDK asks for base64 by itself.
    answer = gpt.embeddings.create(model="demo/echo", input=["a", "b"])
    assert len(answer.data) == 2 and len(answer.data[0].embedding) == 8


def test_models(gpt, claude):
    assert "demo/echo" in [model.id for model in gpt.models.list()]
    assert "demo/echo" in [model.id for model in claude.models.list()]
    assert gpt.models.retrieve("demo/echo").id == "demo/echo"


# Refusals are the SDKs' own errors, with our code, and reach no provider.

def test_a_denied_request_is_permission_denied(gpt, claude, provider):
    with pytest.raises(openai.PermissionDeniedError) as refusal:
        gpt.chat.completions.create(model="m", messages=SECRET)
    assert refusal.value.code == "zos_firewall_request" and "Falcon" not in str(refusal.value)
    with pytest.raises(openai.PermissionDeniedError):
        gpt.responses.create(model="m", input=f"About {TERM}")
    with pytest.raises(openai.PermissionDeniedError):
        gpt.embeddings.create(model="m", input=[TERM])
    with pytest.raises(anthropic.PermissionDeniedError) as refusal:
        claude.messages.create(model="m", max_tokens=5, messages=SECRET)
    assert refusal.value.body["error"]["code"] == "zos_firewall_request" and "Falcon" not in str(refusal.value)
    with pytest.raises(anthropic.PermissionDeniedError):
        claude.messages.create(model="m", max_tokens=5, messages=SECRET, stream=True)
    assert provider.received == []


def calls(zos):
    import urllib.request
    text = urllib.request.urlopen(f"{zos}/metrics").read().decode()
    return int(next(line.split()[1] for line in text.splitlines() if line.startswith("zos_calls_total ")))


def test_a_used_up_budget_is_a_rate_limit_and_no_storm(zos, provider):
    room = {"base_url": f"{zos}/rooms/poor", "api_key": "zos"}
    with pytest.raises(anthropic.RateLimitError) as refusal:
        anthropic.Anthropic(**room).messages.create(model="m", max_tokens=5, messages=HELLO)
    assert refusal.value.body["error"]["code"] == "zos_budget_exceeded"
    room["base_url"] += "/v1"
    with pytest.raises(openai.RateLimitError) as refusal:
        openai.OpenAI(**room).chat.completions.create(model="m", messages=HELLO)
    assert refusal.value.code == "zos_budget_exceeded"
    assert calls(zos) == 2, "an SDK tried again by itself"
    assert provider.received == []


def test_other_refusals(zos):
    with pytest.raises(openai.NotFoundError) as refusal:
        openai.OpenAI(base_url=f"{zos}/rooms/nobody/v1", api_key="zos").chat.completions.create(model="m", messages=HELLO)
    assert refusal.value.code == "zos_unknown_context"
    with pytest.raises(openai.AuthenticationError) as refusal:
        openai.OpenAI(base_url=f"{zos}/v1", api_key="zos_wrong").chat.completions.create(model="m", messages=HELLO)
    assert refusal.value.code == "zos_unauthorized"


def test_a_denied_plain_answer(zos, gpt, provider):
    provider.answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                       "choices": [{"index": 0, "message": {"role": "assistant", "content": TERM}, "finish_reason": "stop"}]}
    with pytest.raises(openai.APIStatusError) as refusal:
        gpt.chat.completions.create(model="m", messages=HELLO)
    assert refusal.value.status_code == 502 and refusal.value.code == "zos_firewall_response"
    assert len(provider.received) == 1, "an SDK bought the same answer again"


# Streams in one-letter pieces and one-byte writes: cut in the SDK's own terms, and nothing of the term arrives.

def test_a_chat_stream_ends_with_content_filter(gpt, provider):
    provider.answer = chat_events(f"It is {TERM}, you know")
    chunks = list(gpt.chat.completions.create(model="m", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is "
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_a_completions_stream_ends_with_content_filter(gpt, provider):
    chunk = lambda text: "data: " + json.dumps({"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "text": text, "logprobs": None, "finish_reason": None}]}) + "\n\n"
    provider.answer = [chunk(letter) for letter in f"It is {TERM}, you know"] + ["data: [DONE]\n\n"]
    chunks = list(gpt.completions.create(model="m", prompt="Hello", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "It is "
    assert chunks[-1].choices[0].finish_reason == "content_filter"


def test_a_messages_stream_ends_with_refusal(claude, provider):
    provider.answer = message_events(f"It is {TERM}, you know")
    with claude.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "It is "
        assert stream.get_final_message().stop_reason == "refusal"


def test_a_responses_stream_ends_incomplete(gpt, provider):
    provider.answer = response_events(f"It is {TERM}, you know")
    events = list(gpt.responses.create(model="m", input="Hello", stream=True))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "It is "
    assert events[-1].type == "response.incomplete"
    assert events[-1].response.incomplete_details.reason == "content_filter"


def test_an_allowed_stream_arrives_whole(gpt, claude, provider):
    text = "Projects, falcons: é 😀 all fine"
    provider.answer = chat_events(text)
    assert "".join(c.choices[0].delta.content or "" for c in gpt.chat.completions.create(model="m", messages=HELLO, stream=True)) == text
    provider.answer = message_events(text)
    with claude.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
        assert stream.get_final_text() == text


def test_a_term_in_tool_arguments_raises(claude, provider):
    tool = {"type": "tool_use", "id": "t", "name": "send", "input": {}}
    arguments = lambda letter: {"type": "input_json_delta", "partial_json": letter}
    provider.answer = message_events('{"text": "Project \\u0046alcon"}', tool, arguments)
    with pytest.raises(anthropic.APIStatusError):
        with claude.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
            stream.get_final_message()
    provider.answer = message_events('{"text": "fine"}', tool, arguments)
    with claude.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
        assert stream.get_final_message().content[0].input == {"text": "fine"}


def test_a_broken_stream_raises(gpt, claude, provider):
    provider.answer = chat_events("half of it")[:4]
    with pytest.raises(openai.APIError):
        list(gpt.chat.completions.create(model="m", messages=HELLO, stream=True))
    provider.answer = message_events("half of it")[:5]
    with pytest.raises(anthropic.APIStatusError):
        with claude.messages.stream(model="m", max_tokens=50, messages=HELLO) as stream:
            stream.get_final_message()
    provider.answer = response_events("half of it")[:4]
    with pytest.raises(openai.APIError):
        list(gpt.responses.create(model="m", input="Hello", stream=True))


# Credentials.

def test_an_own_key_passes_through_and_a_key_of_ours_does_not(zos, provider):
    provider.answer = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": []}
    openai.OpenAI(base_url=f"{zos}/v1", api_key="sk-own").chat.completions.create(model="m", messages=HELLO)
    openai.OpenAI(base_url=f"{zos}/v1", api_key="zos").chat.completions.create(model="m", messages=HELLO)
    sent = [{name.lower(): value for name, value in headers.items()} for _, headers, _ in provider.received]
    assert sent[0]["authorization"] == "Bearer sk-own" and "authorization" not in sent[1]
    assert not any(name.startswith("x-") for name in sent[0]), sent[0]
