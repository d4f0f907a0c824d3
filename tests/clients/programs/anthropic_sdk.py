"""Anthropic's SDK with a loop of tools."""

import json
import os

from anthropic import Anthropic

client = Anthropic(base_url=os.environ["BASE"], api_key=os.environ["KEY"], default_headers=json.loads(os.environ["HEADERS"]))
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "get_weather", "description": "The weather of a city", "input_schema": SCHEMA}
messages = [{"role": "user", "content": os.environ["PROMPT"]}]
for _ in range(4):
    with client.messages.stream(model=os.environ["MODEL"], max_tokens=500, messages=messages, tools=[TOOL]) as stream:
        for text in stream.text_stream:
            print(text, end="", flush=True)
        answer = stream.get_final_message()
    calls = [block for block in answer.content if block.type == "tool_use"]
    if not calls:
        break
    sent = [{"type": "tool_use", "id": call.id, "name": call.name, "input": call.input} for call in calls]
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "tool-ran-" + str(6 * 7)} for call in calls]
    messages += [{"role": "assistant", "content": sent}, {"role": "user", "content": results}]
