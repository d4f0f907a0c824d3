"""Anthropic's SDK on `/v1/messages`, carried by zOS to the OpenAI-style server of a real model."""

import json

import anthropic
import openai
import pytest
import stage

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
ASKED = {"role": "user", "content": "What is the weather in Paris?"}
COLD = {"temperature": 0}


def client(url, room):
    return anthropic.Anthropic(base_url=f"{url}/rooms/{room}", api_key="zos", max_retries=0)


def ask(client, text, **options):
    return client.messages.create(
        model="local/gemma", max_tokens=24, extra_body=COLD, messages=[{"role": "user", "content": text}], **options
    )


def streamed(client, text):
    """The pieces of a streamed answer, and the whole of it."""
    messages = [{"role": "user", "content": text}]
    with client.messages.stream(model="local/gemma", max_tokens=24, extra_body=COLD, messages=messages) as stream:
        return list(stream.text_stream), stream.get_final_message()


def with_tools(messages, **options):
    return {"model": "local/gemma-tools", "max_tokens": 60, "system": "You are a helpful assistant.", "tools": [WEATHER],
            "extra_body": COLD, "messages": messages, **options}


def direct(model_url, text):
    """What the model says to a client of its server's own API."""
    own = openai.OpenAI(base_url=f"{model_url}/v1", api_key="none", max_retries=0)
    return own.chat.completions.create(
        model="gemma", temperature=0, max_tokens=24, messages=[{"role": "user", "content": text}]
    )


def test_a_plain_answer_is_the_models_own_and_its_tokens_are_the_servers(house, calls, model_url):
    own = direct(model_url, stage.QUESTION)
    answer = ask(client(house[0], "birds"), stage.QUESTION)
    [block] = answer.content
    assert (block.type, block.text) == ("text", own.choices[0].message.content)
    assert answer.stop_reason == "max_tokens" and own.choices[0].finish_reason == "length"
    counted = (own.usage.prompt_tokens, own.usage.completion_tokens)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == counted
    [record] = calls()
    assert (record["usage"]["input"], record["usage"]["output"]) == counted and not record["usage"]["estimated"]
    assert (record["face"], record["provider"], record["model"]) == ("messages", "local", "local/gemma")


def test_a_stream_arrives_in_pieces_and_is_the_models_own(house, calls, model_url):
    pieces, answer = streamed(client(house[0], "birds"), stage.QUESTION)
    assert len(pieces) > 5
    assert "".join(pieces) == answer.content[0].text == direct(model_url, stage.QUESTION).choices[0].message.content
    assert answer.stop_reason == "max_tokens"
    [record] = calls()
    # This server tells no usage in streams.
    assert record["usage"]["estimated"] and record["usage"]["output"] > 0


def test_a_whole_conversation_with_a_tool(house, calls):
    claude = client(house[0], "birds")
    # The model may answer or call; it calls by itself.
    called = claude.messages.create(**with_tools([ASKED], tool_choice={"type": "auto"}))
    [call] = called.content
    assert (called.stop_reason, call.type, call.name, call.input) == ("tool_use", "tool_use", "get_weather", {"city": "Paris"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "It is 31 degrees and sunny in Paris."}
    turns = [ASKED, {"role": "assistant", "content": [block.model_dump(mode="json", include={"type", "id", "name", "input"})
                                                      for block in called.content]},
             {"role": "user", "content": [result]}]
    told = claude.messages.create(**with_tools(turns, tool_choice={"type": "none"}))
    assert told.stop_reason == "end_turn" and "31 degrees" in told.content[0].text, "the model has read the result"
    assert [record["verdict"] for record in calls()] == ["allow"] * 2


def test_a_tool_call_streams(house):
    # This server streams a call only when the tool is named.
    named = {"type": "tool", "name": "get_weather"}
    with client(house[0], "birds").messages.stream(**with_tools([ASKED], tool_choice=named)) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        answer = stream.get_final_message()
    assert len(pieces) > 1 and json.loads("".join(pieces)) == {"city": "Paris"}
    assert (answer.stop_reason, answer.content[0].input) == ("tool_use", {"city": "Paris"})


def test_a_word_that_the_model_says_by_itself_never_arrives(house, calls, model_url):
    own = direct(model_url, stage.QUESTION).choices[0].message.content
    assert stage.DENIED in own, "the model no longer says it by itself"
    careful = client(house[0], "acme")
    with pytest.raises(anthropic.APIStatusError) as refusal:
        ask(careful, stage.QUESTION)
    assert refusal.value.body["error"]["code"] == "zos_firewall_response"
    assert stage.DENIED not in refusal.value.response.text.lower()
    pieces, answer = streamed(careful, stage.QUESTION)
    assert answer.stop_reason == "refusal"
    before = own.lower().index(stage.DENIED)
    assert own[:before].startswith("".join(pieces)) and len("".join(pieces)) >= before - 1
    assert [record["verdict"] for record in calls()] == ["deny"] * 2


def test_a_denied_word_in_what_a_tool_answered_never_reaches_the_model(house, calls):
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Paris"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": f"A {stage.DENIED}."}]}
    turns = [ASKED, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    with pytest.raises(anthropic.PermissionDeniedError) as refusal:
        client(house[0], "acme").messages.create(**with_tools(turns))
    assert refusal.value.body["error"]["code"] == "zos_firewall_request"
    [record] = calls()
    assert record["verdict"] == "deny" and record["usage"] is None
