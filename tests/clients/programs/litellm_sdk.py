"""LiteLLM with a loop of tools, streamed: `litellm_sdk.py chat|messages`."""

import json
import os
import sys

import litellm

if sys.argv[1] == "chat":
    reach = {"model": "openai/" + os.environ["MODEL"], "api_base": os.environ["BASE"] + "/v1"}
else:
    reach = {"model": "anthropic/" + os.environ["MODEL"], "api_base": os.environ["BASE"]}
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city", "parameters": PARAMETERS}}
messages = [{"role": "user", "content": os.environ["PROMPT"]}]
for _ in range(4):
    chunks = []
    for chunk in litellm.completion(**reach, api_key=os.environ["KEY"], extra_headers=json.loads(os.environ["HEADERS"]),
                                    messages=messages, tools=[TOOL], stream=True):
        chunks.append(chunk)
        print(chunk.choices[0].delta.content or "", end="", flush=True)
    message = litellm.stream_chunk_builder(chunks).choices[0].message
    if not message.tool_calls:
        break
    messages.append(message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
    messages += [{"role": "tool", "tool_call_id": call.id, "content": "tool-ran-" + str(6 * 7)} for call in message.tool_calls]
