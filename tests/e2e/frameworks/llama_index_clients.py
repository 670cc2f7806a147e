"""LlamaIndex's models, each of which speaks the API of one vendor. Prints what they got, as JSON: see ../test_frameworks.py."""

import json
import sys

from llama_index.core.llms import ChatMessage
from llama_index.core.tools import FunctionTool


def get_weather(city: str, unit: str) -> str:
    """The weather in a city."""
    return f"21 degrees in {city}"


def openai(url, key, model):
    from llama_index.llms.openai import OpenAI

    class AnyModel(OpenAI):
        """The framework knows OpenAI's models only, and wants to know how long a prompt may be."""

        @property
        def metadata(self):
            known = OpenAI(model="gpt-4o").metadata
            return known.model_copy(update={"model_name": self.model})

    return AnyModel(model=model, api_base=f"{url}/v1", api_key=key, max_retries=0)


def gemini(url, key, model):
    from google.genai import types
    from llama_index.llms.google_genai import GoogleGenAI

    return GoogleGenAI(
        model=model,
        api_key=key,
        http_options=types.HttpOptions(base_url=url),
        # It would ask for what the model can do.
        context_window=100_000,
        max_tokens=1000,
    )


def run(llm):
    question = [ChatMessage(role="user", content="Say hello in three words")]
    plain = llm.chat(question)
    streamed = [chunk.delta or "" for chunk in llm.stream_chat(question)]
    tools = [FunctionTool.from_defaults(get_weather)]
    asked = llm.chat_with_tools(tools, user_msg="What is the weather?")
    calls = llm.get_tool_calls_from_response(asked)
    results = [
        ChatMessage(role="tool", content="21 degrees", additional_kwargs={"tool_call_id": call.tool_id}) for call in calls
    ]
    history = [ChatMessage(role="user", content="What is the weather?"), asked.message, *results]
    final = llm.chat_with_tools(tools, chat_history=history)
    whole = None
    for whole in llm.stream_chat_with_tools(tools, user_msg="What is the weather?"):
        pass
    return {
        "text": plain.message.content,
        "streamed": "".join(streamed),
        "calls": [sorted(call.tool_kwargs) for call in calls],
        "streamed_calls": [sorted(call.tool_kwargs) for call in llm.get_tool_calls_from_response(whole)],
        "final": bool(final.message.content),
    }


if __name__ == "__main__":
    url, key, client, *models = sys.argv[1:]
    print(json.dumps({model: run(globals()[client](url, key, model)) for model in models}))
