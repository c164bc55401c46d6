"""What every service is told from outside, by environment variables, `TASKGROVE_` first. A service's own settings build on these."""

from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.errors import BadInput

Settings = TypeVar("Settings", bound=BaseSettings)


class CommonSettings(BaseSettings):
    """Where broker, store and artifacts are, and how this process is seen."""

    model_config = SettingsConfigDict(env_prefix="TASKGROVE_", extra="ignore", env_ignore_empty=True)

    broker_url: str = Field(default="amqp://guest:guest@127.0.0.1:5672/", repr=False, description="RabbitMQ")
    store_url: str = Field(default="mongodb://127.0.0.1:27017/?replicaSet=rs0", repr=False, description="MongoDB, a replica set")
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


def read(kind: type[Settings]) -> Settings:
    """The settings from the environment. Raises BadInput that names each variable which is wrong."""
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        wrong = [f"{prefix}{'_'.join(str(part) for part in one['loc']).upper()}={one['input']}: {one['msg']}" for one in error.errors()]
        raise BadInput("; ".join(wrong) + "; mend it in the environment, or leave it out") from error
