"""`taskgrove inbox`, `approve` and `reject`: where people answer."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from services.approvals.domain.principals import APPROVER, check_principal
from shared.contracts.views import ApprovalView, DecisionRequest
from shared.errors import BadInput, Forbidden
from taskgrove.cli import resolve
from taskgrove.cli.approval_text import approval_row
from taskgrove.cli.options import ApiOption, DataOption, JsonOption, commands
from taskgrove.cli.people import told
from taskgrove.cli.persons import PersonClients
from taskgrove.cli.place import Place, find_place
from taskgrove.cli.review import show_question
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import clean

app = commands()

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of a question, as `taskgrove inbox` shows it, or of its task or run.")]
CommentOption = Annotated[str, typer.Option("--comment", "-m", help="What to say with it.", show_default=False)]
AsOption = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Answer as this person.", show_default=False)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered, and by whom."""

    choice: str
    comment: str
    name: str | None
    summary: str = ""


@app.command()
def inbox(
    *,
    run: Annotated[str | None, typer.Option("--run", metavar="RUN", help="Only of this run.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Answered ones as well.")] = False,
    mine: Annotated[bool, typer.Option("--mine", help="Only what this API key may answer.")] = False,
    details: Annotated[bool, typer.Option("--details", help="With all that is known about each.")] = False,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what waits for a person."""
    screen = Screen(as_json=as_json)
    wanted = {"state": "all" if every else "pending", "mine": mine or None}
    asyncio.run(_inbox(screen, find_place(api, data), run, details=details, wanted=wanted))


@app.command()
def approve(
    identifier: IdArgument,
    *,
    comment: CommentOption = "",
    choice: Annotated[
        str | None,
        typer.Option("--choice", metavar="CHOICE", help="Where help is needed: retry, answer, skip, take_over, fail.", show_default=False),
    ] = None,
    result: Annotated[str, typer.Option("--result", help="With take_over: what was done, in a sentence.", show_default=False)] = "",
    name: AsOption = None,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve something that waits, or answer it with --choice."""
    _answer(identifier, Answer(choice or "approve", comment, name, result), place=find_place(api, data), as_json=as_json)


@app.command()
def reject(
    identifier: IdArgument,
    *,
    comment: CommentOption = "",
    name: AsOption = None,
    api: ApiOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Reject something that waits. A task that asks for help is failed."""
    _answer(identifier, Answer("reject", comment, name), place=find_place(api, data), as_json=as_json)


async def _inbox(screen: Screen, place: Place, run: str | None, *, details: bool, wanted: Mapping[str, Any]) -> None:
    async with place.client() as client:
        found = await client.approvals(run=await resolve.run_id(client, run) if run else None, **wanted)
        screen.document({"items": found})
        if not found:
            screen.say("Nothing waits for a person.")
        elif details and not screen.as_json:
            for approval in found:
                await show_question(screen, approval, client)
        else:
            screen.table(("id", "since", "kind", "asked", "question"), [approval_row(approval) for approval in found])


def _answer(identifier: str, answer: Answer, *, place: Place, as_json: bool) -> None:
    screen = Screen(as_json=as_json)
    if answer.name is not None:
        check_principal(answer.name, [APPROVER])
    after = asyncio.run(_decide(identifier, answer, place, say=screen.say))
    screen.say(clean(after.question))
    told(screen.say, after, answer.choice)
    screen.document(after)


async def _decide(identifier: str, answer: Answer, place: Place, *, say: Callable[[str], None]) -> ApprovalView:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(place.client())
        pending = {approval.approval_id: approval for approval in await client.approvals()}
        approval = pending[await resolve.approval_id(client, identifier, of=pending)]
        if answer.name is not None:
            persons = await stack.enter_async_context(PersonClients(place, client, say=say))
            client = await persons.of(answer.name, groups=approval.approvers)
        try:
            return await client.decide(request_for(approval, answer))
        except Forbidden as error:
            raise Forbidden(f"{error}. Answer as one of them with --as NAME (it takes an admin key)") from error


def request_for(approval: ApprovalView, answer: Answer) -> DecisionRequest:
    """The answer in the words that this question offers. Raises BadInput with the choices there are."""
    choice = answer.choice
    if choice == "reject" and choice not in approval.choices and "fail" in approval.choices:
        choice = "fail"
    if choice == "approve" and choice not in approval.choices:
        raise BadInput(f"{clean(approval.question)} This cannot be approved; answer with --choice {' | '.join(approval.choices)}")
    if choice == "take_over" and choice in approval.choices and not answer.summary.strip():
        raise BadInput("to take over, say what was done, in a sentence: --result '…'")
    result = {"summary": answer.summary} if answer.summary else None
    return DecisionRequest.model_validate(
        {"approval_id": approval.approval_id, "decision": choice, "comment": answer.comment, "result": result, "digest": approval.digest}
    )
