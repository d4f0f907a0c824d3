"""The official SDKs on providers that speak the other API: a whole tool conversation each way."""

import json

import anthropic
import openai
import pytest

from test_sdk import chat_events, message_events

TOOL = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
ARGUMENTS = '{"path": "a.txt"}'


@pytest.fixture
def claude(crossed):
    """A Claude-style client; its models are behind an OpenAI-style server."""
    return anthropic.Anthropic(base_url=crossed, api_key="zos")


@pytest.fixture
def gpt(crossed):
    """An OpenAI-style client; its models are behind an Anthropic-style server."""
    return openai.OpenAI(base_url=f"{crossed}/v1", api_key="zos")


def chat(message, finish):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}


def message(content, stop):
    return {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content, "stop_reason": stop,
            "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 3}}


def sent(provider):
    path, _, body = provider.received[-1]
    return path, json.loads(body)


CALL = chat({"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "read", "arguments": ARGUMENTS}}]}, "tool_calls")
USE = message([{"type": "text", "text": "I read."}, {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a.txt"}}], "tool_use")


def test_a_tool_conversation_of_the_anthropic_sdk_on_an_openai_style_server(claude, provider):
    tools = [{"name": "read", "description": "Reads a file", "input_schema": TOOL}]
    turns = [{"role": "user", "content": "What is in a.txt?"}]
    provider.answer = CALL
    first = claude.messages.create(model="m", max_tokens=50, messages=turns, tools=tools, system="Be brief.")
    use = first.content[0]
    assert (first.stop_reason, use.name, use.input) == ("tool_use", "read", {"path": "a.txt"})
    assert first.usage.input_tokens == 7
    turns += [{"role": "assistant", "content": first.content},
              {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use.id, "content": "42"}]}]
    provider.answer = chat_events("It is 42.")
    with claude.messages.stream(model="m", max_tokens=50, messages=turns, tools=tools, system="Be brief.") as stream:
        assert "".join(stream.text_stream) == "It is 42."
        assert stream.get_final_message().stop_reason == "end_turn"
    path, body = sent(provider)
    assert path == "/v1/chat/completions"
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][3] == {"role": "tool", "tool_call_id": "call_1", "content": "42"}
    assert json.loads(body["messages"][2]["tool_calls"][0]["function"]["arguments"]) == {"path": "a.txt"}


def test_parallel_calls_that_come_mixed_reach_the_anthropic_sdk_whole(claude, provider):
    piece = lambda index, arguments, **first: "data: " + json.dumps({"id": "c", "model": "m", "choices": [{"index": 0, "finish_reason": None, "delta": {
        "tool_calls": [{"index": index, **({"id": first["id"], "type": "function"} if first else {}), "function": {**({"name": "read"} if first else {}), "arguments": arguments}}]}}]}) + "\n\n"
    end = "data: " + json.dumps({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}) + "\n\n"
    provider.answer = [piece(0, '{"path"', id="a"), piece(1, '{"pa', id="b"), piece(0, ': "1"}'), piece(1, 'th": "2"}'), end, "data: [DONE]\n\n"]
    with claude.messages.stream(model="m", max_tokens=50, messages=[{"role": "user", "content": "Both"}]) as stream:
        final = stream.get_final_message()
    assert [(use.id, use.input) for use in final.content] == [("a", {"path": "1"}), ("b", {"path": "2"})]


def test_a_tool_conversation_of_the_openai_sdk_on_an_anthropic_style_server(gpt, provider):
    tools = [{"type": "function", "function": {"name": "read", "description": "Reads a file", "parameters": TOOL}}]
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is in a.txt?"}]
    provider.answer = USE
    first = gpt.chat.completions.create(model="m", messages=turns, tools=tools).choices[0]
    call = first.message.tool_calls[0]
    assert (first.finish_reason, call.function.name, json.loads(call.function.arguments)) == ("tool_calls", "read", {"path": "a.txt"})
    turns += [first.message, {"role": "tool", "tool_call_id": call.id, "content": "42"}]
    provider.answer = message_events("It is 42.")
    options = {"include_usage": True}
    chunks = list(gpt.chat.completions.create(model="m", messages=turns, tools=tools, stream=True, stream_options=options))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "It is 42."
    assert chunks[-1].usage.completion_tokens == 9
    path, body = sent(provider)
    assert path == "/v1/messages"
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "42"}]}]


def test_streamed_calls_reach_the_openai_sdk(gpt, provider):
    tool = {"type": "tool_use", "id": "t", "name": "read", "input": {}}
    provider.answer = message_events(ARGUMENTS, tool, lambda letter: {"type": "input_json_delta", "partial_json": letter})
    chunks = list(gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    assert (calls[0].id, calls[0].function.name) == ("t", "read")
    assert "".join(call.function.arguments for call in calls) == ARGUMENTS


def test_responses_reach_an_anthropic_style_server(gpt, provider):
    provider.answer = USE
    tools = [{"type": "function", "name": "read", "parameters": TOOL, "strict": False}]
    first = gpt.responses.create(model="m", input="What is in a.txt?", tools=tools, store=False)
    assert first.output_text == "I read."
    call = first.output[1]
    assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "read", {"path": "a.txt"})
    turns = [{"role": "user", "content": "What is in a.txt?"}, *first.output,
             {"type": "function_call_output", "call_id": call.call_id, "output": "42"}]
    provider.answer = message_events("It is 42.")
    with gpt.responses.stream(model="m", input=turns, tools=tools, store=False) as stream:
        assert [event.type for event in stream][-1] == "response.completed"
        assert stream.get_final_response().output_text == "It is 42."


def test_thinking_becomes_reasoning_and_never_text(claude, gpt, provider):
    provider.answer = chat({"reasoning_content": "Hm", "content": "Yes"}, "stop")
    thinking, text = claude.messages.create(model="m", max_tokens=50, messages=[{"role": "user", "content": "x"}]).content
    assert (thinking.type, thinking.thinking, text.text) == ("thinking", "Hm", "Yes")
    provider.answer = message([{"type": "thinking", "thinking": "Hm", "signature": "c2ln"}, {"type": "text", "text": "Yes"}], "end_turn")
    said = gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}]).choices[0].message
    assert said.content == "Yes" and said.reasoning_content == "Hm"
    # And it goes back as it came, signature included.
    gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}, said, {"role": "user", "content": "y"}])
    assert sent(provider)[1]["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}


def test_what_cannot_be_carried_is_a_bad_request_that_names_it(claude, gpt, provider):
    with pytest.raises(anthropic.BadRequestError) as refusal:
        claude.messages.create(model="m", max_tokens=5, extra_body={"top_k": 3}, messages=[{"role": "user", "content": "x"}])
    assert refusal.value.body["error"]["code"] == "zos_untranslatable" and "top_k" in str(refusal.value)
    with pytest.raises(openai.BadRequestError) as refusal:
        gpt.chat.completions.create(model="m", seed=3, messages=[{"role": "user", "content": "x"}])
    assert refusal.value.code == "zos_untranslatable" and "seed" in str(refusal.value)
    assert provider.received == []


def test_a_broken_stream_raises_on_either_side(claude, gpt, provider):
    provider.answer = chat_events("half of it")[:4]
    with pytest.raises(anthropic.APIStatusError):
        with claude.messages.stream(model="m", max_tokens=50, messages=[{"role": "user", "content": "x"}]) as stream:
            stream.get_final_message()
    provider.answer = message_events("half of it")[:5]
    with pytest.raises(openai.APIError):
        list(gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}], stream=True))
