"""What a call cost: by the prices that are set, else by the public price lists that genai-prices carries. Offline."""

from dataclasses import replace
from decimal import Decimal

from genai_prices import Usage, calc_price

from shared.models.port import Spent
from shared.models.settings import ModelSettings

MILLION = 1_000_000


class Prices:
    """The prices of one endpoint. A model that nobody lists has no price: unknown, never 0."""

    def __init__(self, settings: ModelSettings) -> None:
        self._url = settings.base_url or ""
        self._name = settings.name
        self._prompt = settings.usd_per_million_prompt_tokens
        self._completion = settings.usd_per_million_completion_tokens

    def priced(self, spent: Spent, *, cached_tokens: int = 0) -> Spent:
        """`spent` with its price, where tokens and price are known. `cached_tokens`: how many of the prompt's were cached."""
        prompt, completion = spent.prompt_tokens, spent.completion_tokens
        if prompt is None or completion is None:
            return spent
        if self._prompt is not None and self._completion is not None:
            return replace(spent, usd=(prompt * self._prompt + completion * self._completion) / MILLION)
        listed = self._listed(Usage(input_tokens=prompt, output_tokens=completion, cache_read_tokens=min(cached_tokens, prompt)))
        return replace(spent, usd=None if listed is None else float(listed))

    def _listed(self, usage: Usage) -> Decimal | None:
        try:
            return calc_price(usage, self._name, provider_api_url=self._url).total_price
        except (LookupError, ValueError):
            return None
