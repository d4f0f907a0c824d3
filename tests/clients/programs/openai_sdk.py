"""OpenAI's SDK with a loop of tools: `openai_sdk.py chat|responses`."""

import json
import os
import sys

from openai import OpenAI

client = OpenAI(base_url=os.environ["BASE"] + "/v1", api_key=os.environ["KEY"], default_headers=json.loads(os.environ["HEADERS"]))
MODEL, PROMPT = os.environ["MODEL"], os.environ["PROMPT"]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "The weather of a city", "parameters": PARAMETERS}


def get_weather(city):
    return "tool-ran-" + str(6 * 7)


def chat():
    messages = [{"role": "user", "content": PROMPT}]
    for _ in range(4):
        with client.chat.completions.stream(
            model=MODEL, messages=messages, tools=[{"type": "function", "function": FUNCTION}],
            stream_options={"include_usage": True},
        ) as stream:
            for event in stream:
                if event.type == "content.delta":
                    print(event.delta, end="", flush=True)
        message = stream.get_final_completion().choices[0].message
        if not message.tool_calls:
            return
        messages.append(message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
        for call in message.tool_calls:
            result = get_weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def responses():
    items = [{"role": "user", "content": PROMPT}]
    for _ in range(4):
        calls = []
        for event in client.responses.create(
            model=MODEL, input=items, tools=[{"type": "function", "strict": False, **FUNCTION}], stream=True, store=False
        ):
            if event.type == "response.output_text.delta":
                print(event.delta, end="", flush=True)
            elif event.type == "response.output_item.done" and event.item.type == "function_call":
                calls.append(event.item)
            elif event.type == "response.failed":
                sys.exit(f"\nfailed: {event.response.error.message}")
        if not calls:
            return
        for call in calls:
            items.append(call.model_dump(exclude_none=True))
            items.append({"type": "function_call_output", "call_id": call.call_id,
                          "output": get_weather(**json.loads(call.arguments))})


{"chat": chat, "responses": responses}[sys.argv[1]]()
