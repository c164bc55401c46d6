"""A model's endpoint as the tests want it: answers by hand, no network."""

from collections.abc import Callable
from typing import Any

import httpx2
import orjson
from pydantic import SecretStr

from shared.models.endpoint import Endpoint
from shared.models.port import About, Question, Reply, Turn
from shared.models.settings import ModelSettings

ABOUT = About("run", "run.1", "test")
Answers = Callable[[httpx2.Request], httpx2.Response]


def settings(**given: Any) -> ModelSettings:
    """Settings of an endpoint that nobody listens at."""
    key = SecretStr(given.pop("api_key", "sk-very-secret"))
    return ModelSettings.model_construct(**{"base_url": "http://model.test/v1", "name": "m", "api_key": key, **given})


def completion(text: str | None = "", *, finish: str = "stop", usage: Any = None, **message: Any) -> httpx2.Response:
    """A chat completion."""
    used = {"prompt_tokens": 10, "completion_tokens": 5} if usage is None else usage
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
    return httpx2.Response(200, json={"id": "1", "object": "chat.completion", "model": "m-1", "choices": [choice], "usage": used})


class Wire:
    """An endpoint over a transport in memory, and what went over it."""

    def __init__(self, answers: Answers, **given: Any) -> None:
        self.requests: list[httpx2.Request] = []

        def handle(request: httpx2.Request) -> httpx2.Response:
            self.requests.append(request)
            return answers(request)

        self.endpoint = Endpoint(settings(**given), transport=httpx2.MockTransport(handle))

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [orjson.loads(request.content) for request in self.requests]

    async def ask(self, question: Question | str = "hello", *, seconds: float = 5.0) -> Reply:
        asked = Question((Turn("user", question),)) if isinstance(question, str) else question
        return await self.endpoint.ask(asked, ABOUT, seconds=seconds)
