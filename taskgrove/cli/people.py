"""Who answers questions while a run is followed: the person at the terminal, or a named one who approves."""

import asyncio
import getpass
import sys
from collections.abc import Callable

from shared.contracts.executor import Result
from shared.contracts.views import ApprovalView, DecisionRequest
from shared.errors import BadInput, Conflict, Forbidden
from taskgrove.cli.approval_text import next_command, who
from taskgrove.cli.persons import PersonClients
from taskgrove.cli.review import show_question
from taskgrove.cli.screen import Screen
from taskgrove.cli.text import line_of
from taskgrove.cli.view import View
from taskgrove.client import Client

PENDING = "pending"
LATER = "later"
APPROVE = "approve"
FAIL = "fail"
TAKE_OVER = "take_over"
SAID = {"answer": "Answer: ", TAKE_OVER: "What was done, in a sentence: "}
CHECKPOINTS = ("checkpoint", "plan_review")
LETTERS = {"approve": "a", "reject": "r", "retry": "t", "take_over": "o", "answer": "n", "skip": "s", "fail": "f", LATER: "l"}


class Asker:
    """Asks the person at the terminal."""

    def __init__(self, client: Client, screen: Screen, persons: PersonClients, *, hint: str) -> None:
        """`hint`: the options that lead other commands here."""
        self._hint = hint
        self._client = client
        self._screen = screen
        self._persons = persons

    async def answer(self, approval: ApprovalView, view: View) -> None:
        view.pause()
        try:
            await show_question(self._screen, approval, self._client)
            choice = await self._choice(approval)
            text = None if choice == LATER else await self._text(choice)
            if text is None or not await self._decide(approval, choice, text):
                self._screen.say(f"Left open; answer it later with: {next_command(approval, self._hint)}", style="dim")
        finally:
            view.resume()

    async def _choice(self, approval: ApprovalView) -> str:
        offered = [*approval.choices, LATER]
        prompt = ", ".join(f"[{LETTERS.get(choice, choice)}] {choice}" for choice in offered) + ": "
        while True:
            typed = await ask(self._screen, prompt)
            typed = LATER if typed is None else typed.casefold()
            for choice in offered:
                if typed and typed in (LETTERS.get(choice), choice.casefold()):
                    return choice
            self._screen.say("Please type one of the letters or words.", style="yellow")

    async def _text(self, choice: str) -> str | None:
        """What the person says with it; None at the end of input."""
        while True:
            text = await ask(self._screen, SAID.get(choice, "Comment (Enter for none): "))
            if text != "" or choice not in SAID:
                return text

    async def _decide(self, approval: ApprovalView, choice: str, text: str) -> bool:
        """Whether the person went through with it; what comes of it is told."""
        said = {"result": Result(summary=text)} if choice == TAKE_OVER else {"comment": text}
        request = DecisionRequest(approval_id=approval.approval_id, decision=choice, digest=approval.digest, **said)
        try:
            try:
                after = await self._client.decide(request)
            except Forbidden:
                client = await self._as_person(approval)
                if client is None:
                    return False
                after = await client.decide(request)
            told(self._screen.say, after, choice)
        except (BadInput, Conflict, Forbidden) as error:
            self._screen.say(str(error), style="yellow")
        return True

    async def _as_person(self, approval: ApprovalView) -> Client | None:
        """This key is of none of those who are asked. Whoever may make keys here says as whom they answer."""
        login = getpass.getuser()
        name = await ask(self._screen, f"This is a question to {who(approval)}. Answer as (Enter: {login}): ")
        return None if name is None else await self._persons.of(name or login, groups=approval.approvers)


class ApproverAs:
    """Approves checkpoints and plans as one person, and ends what asks for help: nobody is there to give it."""

    def __init__(self, name: str, clients: PersonClients) -> None:
        self._name = name
        self._clients = clients

    async def answer(self, approval: ApprovalView, view: View) -> None:
        if approval.kind in CHECKPOINTS:
            choice, comment = APPROVE, "approved by --approve-as"
        elif FAIL in approval.choices and approval.kind == "escalation":
            choice, comment = FAIL, "nobody was there to help (--approve-as)"
        else:
            view.say(f"? {line_of(approval.question)} (--approve-as {self._name} answers no such question)")
            return
        request = DecisionRequest(approval_id=approval.approval_id, decision=choice, comment=comment, digest=approval.digest)
        view.say(f"? {line_of(approval.question)}")
        try:
            client = await self._clients.of(self._name, groups=approval.approvers)
            told(view.say, await client.decide(request), f"{choice} (as {self._name})")
        except (BadInput, Conflict, Forbidden) as error:
            view.say(str(error))


def told(say: Callable[[str], None], approval: ApprovalView, choice: str) -> None:
    """What an answer did."""
    if approval.state == PENDING:
        given = sum(entry.get("decision") == APPROVE for entry in approval.decisions)
        say(f"→ {choice}: {given} of {approval.required} approvals are there; others must approve as well")
    else:
        say(f"→ {choice}")


async def ask(screen: Screen, prompt: str) -> str | None:
    """A line from the terminal, without blocking what goes on meanwhile; None at the end of input."""
    screen.console.print(prompt, end="", soft_wrap=True)
    loop, line = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    def read() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    loop.add_reader(sys.stdin.fileno(), read)
    try:
        typed: str = await line
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return typed.strip() if typed else None
