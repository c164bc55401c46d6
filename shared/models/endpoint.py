"""The client of an OpenAI-compatible endpoint: one request a question, no retries (the task's own retry decides), time-outs everywhere."""

import asyncio
from functools import partial
from typing import Any

import httpx2
import openai

from shared.models import failures
from shared.models.answer import Unusable, completion_in, reply_in
from shared.models.bounded import MOST_BYTES, PLAIN, bound
from shared.models.connections import Connections
from shared.models.messages import body_of
from shared.models.port import About, Question, Reply, Spent
from shared.models.prices import Prices
from shared.models.settings import ModelSettings

CONNECT_SECONDS = 10.0
WRITE_SECONDS = 30.0
ADAPTABLE = ("max_tokens", "temperature", "response_format")
NOT_SENT = (httpx2.ConnectError, httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
"""Failures before the question was on its way. After all others the endpoint may have answered, and billed it."""
UNSUPPORTED = ("unsupported", "not supported", "does not support")


class Endpoint:
    """A Model behind HTTP. `transport` is for tests."""

    def __init__(self, settings: ModelSettings, *, transport: httpx2.AsyncBaseTransport | None = None) -> None:
        self.name = settings.name
        self._settings = settings
        self._prices = Prices(settings)
        self._without: set[str] = set()
        key = settings.key()
        nothing = openai.Omit()
        # What OPENAI_ORG_ID and OPENAI_PROJECT_ID of somebody's shell say is no business of this endpoint.
        foreign: dict[str, Any] = {"OpenAI-Organization": nothing, "OpenAI-Project": nothing, "Accept-Encoding": PLAIN}
        self._keyless: dict[str, Any] = {} if key else {"Authorization": nothing}
        how: dict[str, Any] = {"transport": transport, "trust_env": not settings.loopback, "verify": httpx2.create_ssl_context()}
        how["event_hooks"] = {"response": [partial(bound, most=MOST_BYTES, url=settings.url)]}

        def client(limits: httpx2.Limits) -> openai.AsyncOpenAI:
            http = httpx2.AsyncClient(**how, limits=limits)
            return openai.AsyncOpenAI(
                api_key=key or "none", base_url=settings.base_url, max_retries=0, default_headers=foreign, http_client=http
            )

        self._connections = Connections(client)

    async def ask(self, question: Question, about: About, *, seconds: float) -> Reply:  # noqa: ARG002 (the ledger's business)
        """One answer. Raises ModelFailed; an Unusable one was paid for."""
        limit = min(seconds, self._settings.timeout_seconds)
        try:
            async with asyncio.timeout(limit):
                body = await self._answer_to(question, limit)
        except (TimeoutError, openai.APITimeoutError) as error:
            raise failures.timed_out(self._settings, limit) from error
        except openai.APIConnectionError as error:
            why = error.__cause__ or error
            failed = failures.unreachable if isinstance(why, NOT_SENT) else failures.broke_off
            raise failed(self._settings, str(why)) from error
        except openai.APIStatusError as error:
            raise failures.of_status(error.status_code, self._settings, headers=error.response.headers, body=error.body) from error
        except openai.OpenAIError as error:
            text = f"{self._settings.url} answered in a way that cannot be read: {error}"
            raise Unusable(text, said="", spent=Spent()) from error
        completion = completion_in(body, url=self._settings.url)
        spent = self._prices.priced(completion.spent, cached_tokens=completion.cached_tokens)
        return reply_in(completion, question, spent=spent, mode=self._settings.tools)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._connections.close()

    async def _answer_to(self, question: Question, limit: float) -> bytes:
        """The body of the answer. What the endpoint says it does not support is left out from then on."""
        timeout = httpx2.Timeout(limit, connect=min(CONNECT_SECONDS, limit), write=min(WRITE_SECONDS, limit))
        while True:
            request = self._adapted(body_of(question, self._settings))
            try:
                with self._connections.one() as client:
                    completions = client.chat.completions.with_raw_response
                    answer = await completions.create(**request, timeout=timeout, extra_headers=self._keyless)
            except openai.BadRequestError as error:
                unsupported = _unsupported(error)
                # Others may have learned it meanwhile: what counts is whether this request still had it.
                if unsupported is None or unsupported not in request:
                    raise
                self._without.add(unsupported)
            else:
                return bytes(answer.http_response.content)

    def _adapted(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body without what this endpoint refused; newer models count `max_completion_tokens` instead of `max_tokens`."""
        kept = {name: value for name, value in body.items() if name not in self._without}
        return kept | ({"max_completion_tokens": body["max_tokens"]} if "max_tokens" in self._without else {})


def _unsupported(error: openai.BadRequestError) -> str | None:
    """The parameter that the endpoint does not know, when that is what it says."""
    said = f"{error.code or ''} {error.message}".lower()
    if not any(word in said for word in UNSUPPORTED):
        return None
    return error.param if error.param in ADAPTABLE else next((name for name in ADAPTABLE if f"'{name}'" in said), None)
