"""Submitting: a form, and its plan to look at before anything starts.

A preview is a run whose plan must be approved first: it is planned by the same planner, and waits. Starting it is approving that very plan.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import quote

import orjson
from fastapi import APIRouter, File, Form, Query, UploadFile
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from services.approvals.api import submissions
from services.approvals.api.access import CallerHere, DepsHere, requires
from services.approvals.api.bodies import SubmitBody
from services.approvals.deps import Deps
from services.approvals.domain.principals import SUBMITTER, Principal
from services.approvals.domain.submitting import MOST_NOTES
from services.approvals.web.pages import go_to, page
from shared.catalogue.planners import known_planners
from shared.contracts.plan import NotesFile, RunOptions
from shared.errors import BadInput
from shared.ids import new_id
from shared.messaging.codec import explain

router = APIRouter(include_in_schema=False, dependencies=[requires(SUBMITTER)])

FIRST_NAME = "notes.md"
LIMITS = ("time_scale", "max_tasks", "max_depth", "max_width", "priority", "concurrency")
INDENT = " " * 4
LARGEST_BODY = 12 * 2**20
"""The gate has counted the body by then, and says so in our words; the form's parser would refuse a single text of 1 MiB in its own."""

Text = Annotated[str, Form()]


@dataclass(frozen=True, slots=True)
class Draft:
    """What the form is filled with."""

    prompt: str = ""
    notes: Sequence[NotesFile] = (NotesFile(name=FIRST_NAME, text=""),)
    planner: str = ""
    inputs: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)


@router.get("/submit")
async def form(request: Request, deps: DepsHere, *, again: Annotated[str, Query(alias="from", max_length=64)] = "") -> Response:
    """The form: empty, or with what an earlier run was submitted with."""
    known = (await deps.submissions.get([again])).get(again) if again else None
    draft = draft_of(known["event"]) if known else Draft()
    defaults = {name: getattr(RunOptions(), name) for name in LIMITS}
    values: dict[str, Any] = {"planners": known_planners(), "has_model": deps.has_model, "key": new_id()}
    values["most_bytes"] = min(MOST_NOTES, deps.settings.body_bytes)
    return await page(request, "submit.html", draft=draft, defaults=defaults, again=again, **values)


@router.post("/submit", form_limits={"max_part_size": LARGEST_BODY})
async def send(
    request: Request,
    deps: DepsHere,
    *,
    caller: CallerHere,
    key: Annotated[str, Form(min_length=1, max_length=64)],
    prompt: Text = "",
    names: Annotated[list[str] | None, Form(alias="note_name")] = None,
    texts: Annotated[list[str] | None, Form(alias="note_text")] = None,
    files: Annotated[list[UploadFile] | None, File()] = None,
    go: Text = "preview",
) -> Response:
    """Submit it: to be looked at first (`go=preview`), or to start at once."""
    pairs = zip(names or (), texts or (), strict=False)
    typed = [NotesFile(name=name.strip() or FIRST_NAME, text=text) for name, text in pairs if text.strip()]
    uploaded = [await read_note(file) for file in files or () if file.filename]
    notes = [note.model_dump() for note in unambiguous([*typed, *uploaded])]
    options = options_of(await request.form(), review=go != "start")
    run_id = await submit(deps, {"prompt": prompt, "notes": notes, "options": options}, key=key, caller=caller)
    return go_to(request, f"/runs/{quote(run_id)}" + ("" if go == "start" else "/plan"))


async def submit(deps: Deps, content: Mapping[str, Any], *, key: str, caller: Principal) -> str:
    """The run that this content became: the same form sent twice is one run. Raises BadInput that names the field."""
    try:
        body = SubmitBody.model_validate(content)
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    digest = hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()
    answer = await submissions.submit(body, deps, caller=caller, idempotency_key=f"form:{key}:{digest}")
    return str(orjson.loads(answer.body)["taskId"])


async def read_note(file: UploadFile) -> NotesFile:
    """An uploaded file as notes. Raises BadInput when it is no text."""
    name = file.filename or FIRST_NAME
    try:
        return NotesFile(name=name[-400:], text=(await file.read()).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: is no text in UTF-8 (byte {error.start}); notes are Markdown or JSON") from error


def unambiguous(notes: Sequence[NotesFile]) -> list[NotesFile]:
    """The notes. Raises BadInput for two of one name: a finding would not say which is meant."""
    names = [note.name for note in notes]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadInput(f"notes: there are two files named {twice[0]!r}; rename one, or empty its text")
    return list(notes)


def options_of(form: Mapping[str, Any], *, review: bool) -> dict[str, Any]:
    """The options that were set in the form. Raises BadInput for a line of inputs that is none."""
    options: dict[str, Any] = {"review": review}
    if planner := str(form.get("planner") or ""):
        options["planner"] = planner
    for name in LIMITS:
        if value := str(form.get(name) or "").strip():
            options[name] = value
    return {**options, "inputs": inputs_of(str(form.get("inputs") or ""))}


def inputs_of(text: str) -> dict[str, str]:
    """NAME=VALUE a line; below a NAME= without a value, lines that are indented are its value, as they are. Raises BadInput."""
    given: dict[str, list[str]] = {}
    below = ""
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if below and line.startswith(INDENT):
            given[below].append(line.removeprefix(INDENT))
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        below = name if equals and not value else ""
        if not line.strip():
            continue
        if not equals or not name:
            raise BadInput(f"inputs, line {number}: {line.strip()!r}: write it as NAME=VALUE, such as version=1.4")
        if name in given:
            raise BadInput(f"inputs, line {number}: {name} is given twice; keep one")
        given[name] = [value] if value else []
    return {name: "\n".join(lines) for name, lines in given.items()}


def input_lines(inputs: Mapping[str, str]) -> str:
    """The same back, so that `inputs_of` reads exactly these."""
    plain = {name: value == value.strip() and "\n" not in value for name, value in inputs.items()}
    blocks = {name: "".join(f"\n{INDENT}{line}" for line in value.split("\n")) for name, value in inputs.items()}
    return "\n".join(f"{name}={value if plain[name] else blocks[name]}" for name, value in inputs.items())


def draft_of(event: Mapping[str, Any]) -> Draft:
    """The form as it was for this submission."""
    options, usual = event.get("options", {}), RunOptions()
    notes = [NotesFile.model_validate(note) for note in event.get("notes", ())]
    wire = {name: options.get(name, options.get(_camel(name))) for name in LIMITS}
    return Draft(
        prompt=str(event.get("prompt", "")),
        notes=notes or Draft().notes,
        planner=str(options.get("planner", "")),
        inputs=input_lines(options.get("inputs") or {}),
        limits={name: value for name, value in wire.items() if value is not None and value != getattr(usual, name)},
    )


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
