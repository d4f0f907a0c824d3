"""OpenAI's SDK, zOS, and a real model behind it."""

import json
import urllib.request

import openai
import pytest
import stage


def client(url, room):
    return openai.OpenAI(base_url=f"{url}/rooms/{room}/v1", api_key="zos", max_retries=0)


def ask(client, text, model="local/gemma", **options):
    return client.chat.completions.create(
        model=model, temperature=0, max_tokens=24, messages=[{"role": "user", "content": text}], **options
    )


def direct(model_url, text):
    return ask(openai.OpenAI(base_url=f"{model_url}/v1", api_key="none"), text, model="gemma")


def said(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


def test_a_plain_answer_is_the_models_own_and_its_tokens_are_the_servers(house, calls, model_url):
    url, _ = house
    own = direct(model_url, stage.QUESTION)
    answer = ask(client(url, "birds"), stage.QUESTION)
    assert answer.choices[0].message.content == own.choices[0].message.content
    assert stage.DENIED in answer.choices[0].message.content, "the model no longer says it by itself"
    assert answer.usage == own.usage
    [record] = calls()
    usage = record["usage"]
    assert (usage["input"], usage["output"]) == (own.usage.prompt_tokens, own.usage.completion_tokens)
    assert not usage["estimated"]
    assert record["model"] and stage.DENIED not in json.dumps(record)


def test_a_stream_is_the_models_own_and_its_cost_is_marked_as_an_estimate(house, calls, model_url):
    url, _ = house
    own = direct(model_url, stage.HARMLESS)
    assert said(ask(client(url, "acme"), stage.HARMLESS, stream=True)) == own.choices[0].message.content
    [record] = calls()
    # This server tells no usage in streams.
    assert record["usage"]["estimated"] and record["verdict"] == "allow"


def test_a_word_that_the_model_says_by_itself_never_arrives(house, calls, model_url):
    url, _ = house
    own = direct(model_url, stage.QUESTION).choices[0].message.content
    with pytest.raises(openai.APIStatusError) as refusal:
        ask(client(url, "acme"), stage.QUESTION)
    assert refusal.value.code == "zos_firewall_response" and stage.DENIED not in refusal.value.response.text.lower()
    # On the wire, byte for byte.
    body = {"model": "local/gemma", "temperature": 0, "max_tokens": 24, "stream": True,
            "messages": [{"role": "user", "content": stage.QUESTION}]}
    request = urllib.request.Request(f"{url}/rooms/acme/v1/chat/completions", json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    wire = urllib.request.urlopen(request).read()
    assert stage.DENIED.encode() not in wire.lower() and wire.endswith(b"data: [DONE]\n\n")
    # In the SDK's own terms.
    chunks = list(ask(client(url, "acme"), stage.QUESTION, stream=True))
    assert chunks[-1].choices[0].finish_reason == "content_filter"
    before = own.lower().index(stage.DENIED)
    assert said(chunks) and own[:before].startswith(said(chunks)) and len(said(chunks)) >= before - 1
    assert [record["verdict"] for record in calls()] == ["deny"] * 3


def test_a_word_that_the_caller_says_never_reaches_the_model(house, calls):
    url, _ = house
    with pytest.raises(openai.PermissionDeniedError) as refusal:
        ask(client(url, "acme"), f"Tell me about the {stage.DENIED}.")
    assert refusal.value.code == "zos_firewall_request"
    [record] = calls()
    assert record["verdict"] == "deny" and record["usage"] is None
