"""The shape that all values and events share, and the CloudEvents envelope around an event."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

PREFIX = "dev.taskgrove."
VERSION = ".v1"
WHOLE = 100
"""What an event weighs that is about a whole plan or run, however large that is."""

type_names: dict[str, type["Event"]] = {}


class Value(BaseModel):
    """Frozen, camelCase in JSON, and tolerant: what a newer version added is neither refused nor lost; it goes where the value goes."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="allow")

    def model_post_init(self, _context: object) -> None:
        """A field that came under both of its names is known, not further: kept twice it would write over itself."""
        if further := self.__pydantic_extra__:
            for name in further.keys() & type(self).model_fields.keys():
                del further[name]

    @property
    def further(self) -> dict[str, Any]:
        """What came with it that this version does not know."""
        return dict(self.__pydantic_extra__ or {})

    def wire(self) -> dict[str, Any]:
        """This value as JSON types, camelCase."""
        return self.model_dump(mode="json", by_alias=True)


class Event(Value):
    """A fact, said once it is durable. Declared with its name, its speaker and its hearers; queues and bindings follow from that."""

    name: ClassVar[str]
    said_by: ClassVar[str]
    heard_by: ClassVar[tuple[str, ...]]
    durable: ClassVar[bool] = True
    carries: ClassVar[str] = ""
    weighs: ClassVar[int] = 10
    shared: ClassVar[bool] = False

    run_id: str = Field(min_length=1, max_length=64)

    def __init_subclass__(
        cls,
        *,
        name: str = "",
        said_by: str = "",
        heard_by: tuple[str, ...] = (),
        durable: bool = True,
        carries: str = "",
        weighs: int = 10,
        shared: bool = False,
        **others: Any,
    ) -> None:
        """`carries` names the field with the ids that it is about; one that carries none `weighs` as much as so many.

        `shared`: replicas of a service that hears it divide the work, so that many ids go in many messages.
        """
        super().__init_subclass__(**others)
        if name:
            cls.name, cls.said_by, cls.heard_by, cls.durable = name, said_by, heard_by, durable
            cls.carries, cls.weighs, cls.shared = carries, weighs, shared
            type_names[f"{PREFIX}{name}{VERSION}"] = cls

    @property
    def type(self) -> str:
        """The CloudEvents type, `dev.taskgrove.<name>.v1`."""
        return f"{PREFIX}{self.name}{VERSION}"

    @property
    def weight(self) -> int:
        """What it costs to handle it, counted in ids."""
        return (len(getattr(self, self.carries)) or 1) if self.carries else self.weighs

    def subject(self) -> str:
        """What the event is about: `runs/<run>` or `runs/<run>/tasks/<task>`."""
        task = getattr(self, "task_id", None)
        return f"runs/{self.run_id}/tasks/{task}" if task else f"runs/{self.run_id}"


class Envelope(Value):
    """CloudEvents 1.0, structured mode: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md"""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=None)

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(min_length=1, max_length=256)
    source: str = Field(min_length=1, max_length=256)
    type: str = Field(min_length=1, max_length=256)
    subject: str | None = None
    time: datetime | None = None
    datacontenttype: str = "application/json"
    traceparent: str | None = None
    data: dict[str, JsonValue]
