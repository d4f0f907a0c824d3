"""LangChain's agent, streamed: `langchain_sdk.py chat|messages`."""

import json
import os
import sys

from langchain.agents import create_agent
from langchain_core.messages import AIMessageChunk

headers = json.loads(os.environ["HEADERS"])
if sys.argv[1] == "chat":
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(model=os.environ["MODEL"], base_url=os.environ["BASE"] + "/v1", api_key=os.environ["KEY"],
                       default_headers=headers, streaming=True, use_responses_api=False)
else:
    from langchain_anthropic import ChatAnthropic

    model = ChatAnthropic(model=os.environ["MODEL"], base_url=os.environ["BASE"], api_key=os.environ["KEY"],
                          default_headers=headers, streaming=True)


def get_weather(city: str) -> str:
    """The weather of a city."""
    return "tool-ran-" + str(6 * 7)


asked = {"messages": [{"role": "user", "content": os.environ["PROMPT"]}]}
for piece, _ in create_agent(model, tools=[get_weather]).stream(asked, stream_mode="messages"):
    if isinstance(piece, AIMessageChunk):
        print(piece.text, end="", flush=True)
