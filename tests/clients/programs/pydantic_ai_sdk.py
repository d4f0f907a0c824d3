"""Pydantic AI's agent, streamed: `pydantic_ai_sdk.py chat|responses|messages`."""

import asyncio
import json
import os
import sys

from pydantic_ai import Agent

api, headers = sys.argv[1], json.loads(os.environ["HEADERS"])
if api == "messages":
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(base_url=os.environ["BASE"], api_key=os.environ["KEY"], default_headers=headers)
    model = AnthropicModel(os.environ["MODEL"], provider=AnthropicProvider(anthropic_client=client))
else:
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    client = AsyncOpenAI(base_url=os.environ["BASE"] + "/v1", api_key=os.environ["KEY"], default_headers=headers)
    kind = OpenAIChatModel if api == "chat" else OpenAIResponsesModel
    model = kind(os.environ["MODEL"], provider=OpenAIProvider(openai_client=client))

agent = Agent(model)


@agent.tool_plain
def get_weather(city: str) -> str:
    """The weather of a city."""
    return "tool-ran-" + str(6 * 7)


async def main():
    async with agent.run_stream(os.environ["PROMPT"]) as result:
        async for text in result.stream_text(delta=True):
            print(text, end="", flush=True)


asyncio.run(main())
