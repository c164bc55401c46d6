"""Why an endpoint gave no answer: what its status means for the task, and what a person can do about it."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from shared.errors import ModelFailed
from shared.models.settings import ModelSettings

LONGEST_WAIT = 3_600.0
SHOWN = 400
TOO_LONG = re.compile(r"context|too long|maximum.{0,20}(length|tokens)|exceed", re.IGNORECASE)
NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached")

BAD_REQUEST, UNAUTHORIZED, PAYMENT, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT = 400, 401, 402, 403, 404, 408
TOO_LARGE, SERVER_ERROR, GATEWAY_TIMEOUT = 413, 500, 504
BUSY = (409, 425, 429)
MAYBE_PAID = frozenset({"model_timed_out", "model_broke_off"})
"""The answer did not arrive, but the endpoint may have made it, and billed it."""


def of_status(status: int, settings: ModelSettings, *, headers: Mapping[str, str], body: Any) -> ModelFailed:
    """The failure that an HTTP status stands for. What the endpoint says is shown, but never the key."""
    said, reason = _said(body, settings), str(_error(body).get("code") or "")
    if passing := _passing(status, reason):
        code, what = passing
        return ModelFailed(f"{settings.url} {what} ({status}); it is tried again{said}", code=code, retry_after=retry_after(headers))
    why = _refusal(status, settings, no_credit=reason in NO_CREDIT, too_long=_is_too_long(status, reason, said))
    return ModelFailed(why + said, code="model_refused", permanent=True)


def _passing(status: int, reason: str) -> tuple[str, str] | None:
    """The code and what happened, for failures that pass by themselves."""
    if reason in NO_CREDIT:
        return None
    if status in (REQUEST_TIMEOUT, GATEWAY_TIMEOUT):
        return "model_timed_out", "did not have the answer ready in time"
    if status in BUSY:
        return "model_busy", "is busy"
    return ("model_busy", "failed") if status >= SERVER_ERROR else None


def _refusal(status: int, settings: ModelSettings, *, no_credit: bool, too_long: bool) -> str:
    if no_credit or status == PAYMENT:
        return f"{settings.url} has no credit left for this key ({status}); top it up, or set another TASKGROVE_MODEL_API_KEY"
    if status in (UNAUTHORIZED, FORBIDDEN):
        return f"{settings.url} refused the key ({status}); set TASKGROVE_MODEL_API_KEY to a valid one"
    if status == NOT_FOUND:
        names = "TASKGROVE_MODEL_NAME or TASKGROVE_MODEL_BASE_URL"
        return f"{settings.url} has no model {settings.name!r}, or no chat completions ({status}); mend {names}"
    if too_long:
        return f"the prompt is too long for {settings.name!r} ({status}); give fewer notes, or use a model that reads more"
    return f"{settings.url} refused the request ({status})"


def _is_too_long(status: int, reason: str, said: str) -> bool:
    return status == TOO_LARGE or reason == "context_length_exceeded" or (status == BAD_REQUEST and bool(TOO_LONG.search(said)))


def unreachable(settings: ModelSettings, why: str) -> ModelFailed:
    """Nothing answers there."""
    text = f"nothing answers at {settings.url} ({why}); start the model's server, or mend TASKGROVE_MODEL_BASE_URL"
    return ModelFailed(text, code="model_unreachable")


def broke_off(settings: ModelSettings, why: str) -> ModelFailed:
    """The connection ended after the question was sent, before the answer was there."""
    text = f"the connection to {settings.url} ended before the answer was complete ({why}); it may have been billed all the same"
    return ModelFailed(f"{text}. See the log of the model's server, and what is between", code="model_broke_off")


def timed_out(settings: ModelSettings, seconds: float) -> ModelFailed:
    """The answer took too long."""
    text = f"{settings.name!r} at {settings.url} did not answer within {seconds:.0f} s; TASKGROVE_MODEL_TIMEOUT_SECONDS allows more"
    return ModelFailed(text, code="model_timed_out")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the endpoint wants us to wait, within an hour; None when it does not say."""
    try:
        if given := headers.get("retry-after-ms"):
            seconds = float(given) / 1_000
        elif given := headers.get("retry-after"):
            seconds = float(given) if given.replace(".", "", 1).isdigit() else _until(given, headers.get("date"))
        else:
            return None
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _until(moment: str, now: str | None) -> float:
    """Seconds between two HTTP dates. Raises ValueError or TypeError."""
    return (parsedate_to_datetime(moment) - parsedate_to_datetime(now or "")).total_seconds()


def _error(body: Any) -> Mapping[str, Any]:
    error = body.get("error", body) if isinstance(body, Mapping) else {"message": body} if isinstance(body, str) else {}
    return error if isinstance(error, Mapping) else {"message": error}


def _said(body: Any, settings: ModelSettings) -> str:
    """What the endpoint says, on one line. Some repeat the key that they refuse."""
    text = " ".join(str(_error(body).get("message") or "").split())
    for secret in (settings.api_key.get_secret_value(), settings.api_key.get_secret_value().strip()):
        text = text.replace(secret, "***") if secret else text
    text = "".join(char if char.isprintable() else "\ufffd" for char in text)
    return f": {text[:SHOWN]}" if text else ""
