"""Which language model is used, by `TASKGROVE_MODEL_…`: the same for planner, executor and checker."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import BadInput

ToolMode = Literal["native", "json"]
Commands = Literal["walls", "always"]


class ModelSettings(BaseSettings):
    """An OpenAI-compatible endpoint; without `base_url` there is no model, and what needs one is refused."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_MODEL_", extra="ignore", env_ignore_empty=True)

    base_url: str | None = Field(
        default=None, repr=False, description="OpenAI-compatible endpoint, such as http://127.0.0.1:8080/v1; empty: no model"
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="its key; empty for local servers that want none")
    name: str = Field(default="", max_length=200, description="the model, as the endpoint calls it")
    timeout_seconds: float = Field(default=180.0, gt=0, le=3_600, description="time that one answer may take")
    concurrency: int | None = Field(
        default=None, ge=1, le=100_000, description="most calls at once to the endpoint, of each process; empty: as many as are wanted"
    )
    max_tokens: int = Field(default=4_096, ge=16, le=200_000, description="most tokens of one answer")
    tools: ToolMode = Field(default="native", description="json: for models that cannot call tools; they answer with JSON instead")
    commands: Commands = Field(
        default="walls", description="commands that a model decides are run: only in a sandbox with walls (bubblewrap), or always"
    )
    usd_per_million_prompt_tokens: float | None = Field(default=None, ge=0, description="price; empty: looked up, or not known")
    usd_per_million_completion_tokens: float | None = Field(default=None, ge=0, description="price; empty: looked up, or not known")

    @property
    def configured(self) -> bool:
        """Whether there is a model."""
        return bool(self.base_url)

    @property
    def url(self) -> str:
        """The endpoint as it may be shown: without user, password and query."""
        parts = urlsplit(self.base_url or "")
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")

    @property
    def loopback(self) -> bool:
        """Whether the endpoint is on this machine: no proxy can reach it."""
        host = urlsplit(self.base_url or "").hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    def key(self) -> str:
        """The key without the line end that files and shells leave. Raises BadInput, which never holds the key."""
        key = self.api_key.get_secret_value().strip()
        if not key.isascii() or any(not char.isprintable() or char == " " for char in key):
            raise BadInput("TASKGROVE_MODEL_API_KEY holds characters that no key has (spaces, line ends, accents); copy the key again")
        return key

    def refuse_incomplete(self) -> None:
        """Raises BadInput for an endpoint that cannot be asked. Not a validator: pydantic's errors would show the key."""
        parts = urlsplit(self.base_url or "")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadInput(f"TASKGROVE_MODEL_BASE_URL: {self.url!r} is no http(s) URL; give one such as http://127.0.0.1:8080/v1")
        if parts.query or parts.fragment:
            raise BadInput(
                f"TASKGROVE_MODEL_BASE_URL has a query or a fragment (? or #), which cannot be kept; give {self.url}, and a key as "
                f"TASKGROVE_MODEL_API_KEY"
            )
        if not self.name:
            raise BadInput(f"TASKGROVE_MODEL_NAME is missing: say which model {self.url} is to use; GET {self.url}/models lists them")
        prices = {"PROMPT": self.usd_per_million_prompt_tokens, "COMPLETION": self.usd_per_million_completion_tokens}
        if len(missing := [name for name, usd in prices.items() if usd is None]) == 1:
            variable = f"TASKGROVE_MODEL_USD_PER_MILLION_{missing[0]}_TOKENS"
            raise BadInput(f"{variable} is missing: one price alone prices nothing; set both, 0 for what is free, or neither")
        self.key()


NO_MODEL = "no language model is configured; set TASKGROVE_MODEL_BASE_URL and TASKGROVE_MODEL_NAME (docs/how-to/use-a-model.md)"
NO_WALLS = (
    "a language model decided this command, and it is not run here: the sandbox has no walls (level process), so that it could read the "
    "secrets of the service. Install bubblewrap, or run where it works; or set TASKGROVE_MODEL_COMMANDS=always if you trust what the model "
    "reads (docs/how-to/use-a-model.md)"
)
