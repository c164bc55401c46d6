"""What every service is told from outside, by environment variables, `TASKGROVE_` first. A service's own settings build on these."""

import os
from functools import lru_cache
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import BadInput
from shared.secrets import file_of, secrets_dir, variable_of, with_secrets

Settings = TypeVar("Settings", bound=BaseSettings)


class CommonSettings(BaseSettings):
    """Where broker, store and artifacts are, and how this process is seen."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_", extra="ignore", env_ignore_empty=True)

    broker_url: str = Field(default="amqp://guest:guest@127.0.0.1:5672/", repr=False, description="RabbitMQ")
    store_url: str = Field(default="mongodb://127.0.0.1:27017/?replicaSet=rs0", repr=False, description="MongoDB, a replica set")
    secrets_dir: Path | None = Field(default=None, description="directory of secrets: files named like the variables, in lower case")
    store_name: str = Field(default="taskgrove", description="database in MongoDB")
    artifacts_url: str = Field(default="file:///var/lib/taskgrove/artifacts", description="file:// directory or s3:// bucket")
    work_dir: Path = Field(default=Path("/var/lib/taskgrove/work"), description="where tasks run and checks look")
    http_host: str = Field(default="127.0.0.1", description="address of /livez, /readyz, /metrics")
    http_port: int = Field(default=0, ge=0, le=65_535, description="their port; 0: any free one")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", description="lowest level that is written")
    otlp_endpoint: str | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="base URL of an OpenTelemetry receiver (OTLP over HTTP) for traces; empty: none are sent",
    )
    trace_ratio: float = Field(default=1.0, ge=0, le=1, description="share of the runs whose traces are sent")
    sweep_seconds: float = Field(default=1.0, ge=0.05, le=60, description="time between two looks for what is overdue")
    drain_seconds: float = Field(default=20.0, ge=0, le=600, description="time to finish or hand back work after SIGTERM")

    @field_validator("broker_url")
    @classmethod
    def _is_reachable(cls, value: str) -> str:
        """Raises ValueError for what no client could connect to, without the value: it holds a password."""
        try:
            url = urlsplit(value)
            sound = url.scheme in ("amqp", "amqps") and bool(url.hostname) and url.port != 0
        except ValueError:
            sound = False
        if not sound:
            raise ValueError("is no URL such as amqp://user:password@host:5672/; write special characters in the password as %XX")
        return value

    def hidden(self, more: str) -> list[Path]:
        """What programs that we did not write must not see: work of others, artifacts, secrets, and what `more` names, separated by ':'."""
        url = urlsplit(self.artifacts_url)
        artifacts = [Path(unquote(url.path))] if url.scheme == "file" else []
        secrets = [self.secrets_dir] if self.secrets_dir else []
        return [self.work_dir, *artifacts, *secrets, *(Path(path) for path in more.split(":") if path)]


def read(kind: type[Settings]) -> Settings:
    """The settings from the environment, and from the files of TASKGROVE_SECRETS_DIR.

    Raises BadInput that names each variable which is wrong, with its value only where that is no secret.
    """
    directory = secrets_dir()
    try:
        return with_secrets(kind, directory) if directory else _from_environment(kind, frozenset(os.environ.items()))
    except ValidationError as error:
        wrong = [_said(kind, one["loc"], one["msg"], given=one["input"]) for one in error.errors()]
        raise BadInput("; ".join(wrong) + "; mend it in the environment, or leave it out") from None


@lru_cache(maxsize=64)
def _from_environment(kind: type[Settings], _environment: frozenset[tuple[str, str]]) -> Settings:
    """Read once as long as the environment stays as it is: whoever starts many services in one process reads the same again and again."""
    return kind()


def _said(kind: type[BaseSettings], loc: tuple[int | str, ...], message: str, *, given: object) -> str:
    name = "_".join(str(part) for part in loc)
    variable, directory = variable_of(kind, name), secrets_dir()
    field = kind.model_fields.get(name)
    if directory and variable not in os.environ and (path := file_of(kind, name, directory)).exists():
        return f"{variable} (from {path}): {message}"
    if field and (not field.repr or field.annotation is SecretStr or field.annotation == SecretStr | None):
        return f"{variable}: {message}"
    return f"{variable}={given}: {message}"
