"""OpenAI's agents SDK, streamed: `openai_agents_sdk.py chat|responses`."""

import asyncio
import json
import os
import sys

from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner, function_tool, set_tracing_disabled
from openai import AsyncOpenAI

set_tracing_disabled(True)
client = AsyncOpenAI(base_url=os.environ["BASE"] + "/v1", api_key=os.environ["KEY"],
                     default_headers=json.loads(os.environ["HEADERS"]))
kind = OpenAIChatCompletionsModel if sys.argv[1] == "chat" else OpenAIResponsesModel


@function_tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return "tool-ran-" + str(6 * 7)


async def main():
    agent = Agent(name="a", model=kind(model=os.environ["MODEL"], openai_client=client), tools=[get_weather])
    result = Runner.run_streamed(agent, os.environ["PROMPT"])
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            print(event.data.delta, end="", flush=True)


asyncio.run(main())
