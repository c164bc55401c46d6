"""The tools that the model has: what it may ask for, how its arguments are checked, and what it gets back."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache, partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.executor.agents.answers import Asks, Done, TooBig
from services.executor.agents.model.workspace import Workspace
from shared.contracts.executor import Result
from shared.errors import BadInput
from shared.models.fence import fenced
from shared.models.port import Tool, ToolCall

MOST_READ = 16_384
MOST_COMMAND = 65_536
MOST_SUMMARY = 4_096
MOST_QUESTION = 4_000
MOST_SPLITS = 3

End = Done | TooBig | Asks
Run = Callable[[str], Awaitable[str]]


class Arguments(BaseModel):
    """What a tool takes. Its docstring is what the model reads about it. Lengths are checked where they are used."""

    model_config = ConfigDict(extra="forbid")


class ReadFile(Arguments):
    """Read a text file of your directory, 16 KiB at a time."""

    path: str
    offset: int = Field(default=0, ge=0, description="byte to start at")


class WriteFile(Arguments):
    """Write a text file whole, or append to it. Folders are made. Long files: write the beginning, then append."""

    path: str
    content: str
    append: bool = False


class ListFiles(Arguments):
    """List the files below a folder with their sizes."""

    path: str = Field(default=".", description="folder; . is your directory")


class RunCommand(Arguments):
    """Run a shell command in your directory, in a sandbox with a time limit. You get how it ended and the end of its output."""

    command: str


class AskPerson(Arguments):
    """Only if you can neither find it out nor do without it: ask a person. This try ends; the next one starts with the answer."""

    question: str


class SplitUp(Arguments):
    """Say that the task is a whole project that several workers should share, and must be planned first. This try ends."""

    reason: str


class Finish(Arguments):
    """Say that the task is done. The files in your directory are the result, and are checked."""

    summary: str = Field(description="what was done, in a sentence or two")
    data: dict[str, Any] = Field(default_factory=dict, description="facts for the tasks that come after, if any")


class Toolbox:
    """The tools over one workspace. `run` runs a command and says how it ended, and is None where no commands are run;
    `answers` is what people said already."""

    def __init__(self, workspace: Workspace, run: Run | None, *, answers: Mapping[str, str], may_split: bool) -> None:
        self._workspace = workspace
        self._look = "; look at it with a command" if run else ""
        self._answers = answers
        self._may_split = may_split
        self._tools: dict[str, tuple[type[Arguments], Callable[[Any], Awaitable[str | End]]]] = {
            "write_file": (WriteFile, self._write),
            **({"run_command": (RunCommand, partial(self._command, run))} if run else {}),
            "read_file": (ReadFile, self._read),
            "list_files": (ListFiles, self._list),
            "done": (Finish, self._done),
            "ask_person": (AskPerson, self._ask),
            "too_big": (SplitUp, self._too_big),
        }

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools as the model is told of them; too_big only where there may be another breakdown."""
        shown = [(name, kind) for name, (kind, _) in self._tools.items() if self._may_split or name != "too_big"]
        return tuple(_tool(name, kind) for name, kind in shown)

    def known(self, name: str) -> str:
        """The name if there is such a tool, else `unknown`: what a model says must not become a label."""
        return name if name in self._tools else "unknown"

    async def use(self, call: ToolCall) -> str | End:
        """What the model gets to read, or how the attempt ends. Raises BadInput for what is refused."""
        if call.name not in self._tools:
            raise BadInput(f"there is no tool {call.name[:50]!r}; there are: {', '.join(tool.name for tool in self.offered)}")
        kind, do = self._tools[call.name]
        try:
            arguments = kind.model_validate(dict(call.arguments))
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'arguments'}: {one['msg']}" for one in error.errors()[:5])
            raise BadInput(f"the arguments of {call.name} are wrong: {problems}") from error
        return await do(arguments)

    async def _read(self, given: ReadFile) -> str:
        content, size = await asyncio.to_thread(partial(self._workspace.read, given.path, offset=given.offset, most=MOST_READ))
        if b"\0" in content:
            return f"{given.path} is a binary file of {size} bytes{self._look}"
        end = given.offset + len(content)
        more = f"; {size - end} bytes more, read on at offset {end}" if end < size else ""
        return fenced(given.path, content.decode(errors="replace")) + f"\nbytes {given.offset} to {end} of {size}{more}"

    async def _write(self, given: WriteFile) -> str:
        content = given.content.encode(errors="replace")
        size = await asyncio.to_thread(partial(self._workspace.write, given.path, content, append=given.append))
        return f"written: {given.path} has {size} bytes"

    async def _list(self, given: ListFiles) -> str:
        files, left = await asyncio.to_thread(self._workspace.list, given.path)
        lines = [f"{name}  {size} bytes" for name, size in files] + ([f"and {left} more"] if left else [])
        return fenced("files", "\n".join(lines)) if lines else "there are no files"

    async def _command(self, run: Run, given: RunCommand) -> str:
        if len(given.command) > MOST_COMMAND or "\0" in given.command:
            raise BadInput(f"a command has at most {MOST_COMMAND} characters, and no NUL; write a script and run that")
        return await run(given.command)

    async def _ask(self, given: AskPerson) -> str | End:
        question = given.question.strip()[:MOST_QUESTION]
        if not question:
            raise BadInput("the question is empty")
        if question in self._answers:
            return f"a person has answered that already:\n{fenced('answer', self._answers[question])}"
        return Asks(question)

    async def _too_big(self, given: SplitUp) -> End:
        if not self._may_split:
            raise BadInput(
                f"the task cannot be broken down again (it lies below {MOST_SPLITS} breakdowns, or as deep as a run may go): do it"
            )
        return TooBig(given.reason.strip()[:MOST_QUESTION] or "too big for one go")

    async def _done(self, given: Finish) -> End:
        return Done(Result(summary=given.summary.strip()[:MOST_SUMMARY], data=given.data))


@cache
def _tool(name: str, kind: type[Arguments]) -> Tool:
    """Worked out once: thousands of attempts ask for it at each step."""
    return Tool(name, " ".join((kind.__doc__ or "").split()), _plain(kind.model_json_schema()))


def signature(calls: tuple[ToolCall, ...]) -> str:
    """What the model wants, in one line: equal for equal wishes."""
    return (
        "; ".join(f"{call.name} {json.dumps(dict(call.arguments), sort_keys=True, default=str)}" for call in calls)
        or "without using a tool"
    )


def _plain(schema: Any) -> Any:
    """A JSON Schema without the titles that pydantic adds, and without the docstring: it is the tool's description."""
    if isinstance(schema, dict):
        return {
            key: _plain(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str)) and not (key == "description" and "properties" in schema)
        }
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema
