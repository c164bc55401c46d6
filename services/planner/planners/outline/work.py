"""How a single task is done: which agent does it, and what the agent is given."""

from collections.abc import Callable
from typing import Any

from services.planner.planners.outline.section import Section
from services.planner.planners.outline.settings import Settings
from shared.catalogue.agents import ShellInputs
from shared.models.settings import NO_MODEL

Complain = Callable[[int, str], None]

# Keys that only one agent understands.
BELONGS_TO = {"call": "python", "args": "python", "question": "human"}
LONGEST_SCRIPT = next(rule.max_length for rule in ShellInputs.model_fields["script"].metadata if hasattr(rule, "max_length"))


def work(section: Section, settings: Settings, complain: Complain, *, has_model: bool) -> tuple[str | None, dict[str, Any]]:
    """The agent and its inputs; what is wrong goes to `complain` with its line. What names nobody is for a model, where there is one.

    The model's instructions are the task's description, which is the section's prose.
    """
    agent = settings.one("agent", default="shell" if section.blocks else _default(section, has_model=has_model))
    if agent is None:
        # A key that was refused has its own problem; this one would only repeat it.
        if not any(pair.key == "agent" for pair in section.pairs):
            complain(section.line, _nothing_runs(section))
        return None, {}
    for key, owner in BELONGS_TO.items():
        if key in settings and agent != owner:
            complain(settings.line(key), f"`{key}` is for `agent: {owner}`, and this task has `{agent}`; set that agent or remove `{key}`")
    if agent == "model" and not has_model:
        complain(settings.line("agent"), f"`{section.title}` has `agent: model`, and {NO_MODEL}; or name another agent")
    if agent == "shell":
        return agent, _script(section, complain)
    if section.blocks:
        message = f"a block is run by `shell`, and this task has `agent: {agent}`; remove one, or mark the block as `text`"
        complain(section.blocks[0].line, message)
    return agent, _inputs(agent, settings, complain)


def _default(section: Section, *, has_model: bool) -> str | None:
    # An agent that was named and refused is not replaced by another.
    return "model" if has_model and not any(pair.key == "agent" for pair in section.pairs) else None


def _inputs(agent: str, settings: Settings, complain: Complain) -> dict[str, Any]:
    if agent == "python":
        if "call" not in settings:
            complain(settings.line("agent"), "`agent: python` needs to know what to call; add `call: NAME`")
        return {"call": settings.one("call", default=""), "args": settings.one("args", default={})}
    if agent == "human":
        return {"question": settings.one("question", default="")}
    if agent == "integrate" and not settings.one("integration", default=False):
        complain(settings.line("agent"), "`integrate` joins what siblings made; add `integration: yes`, or name another agent")
    return {}


def _script(section: Section, complain: Complain) -> dict[str, Any]:
    blocks = section.blocks
    if not blocks:
        complain(section.line, f"`{section.title}` has `agent: shell` and nothing to run; add a fenced sh, bash or python block")
        return {}
    for block in blocks[1:]:
        if block.language != blocks[0].language:
            languages = f"{blocks[0].language} in line {blocks[0].line}, {block.language} here"
            complain(block.line, f"`{section.title}` has blocks in two languages ({languages}); give each a heading of its own")
    script = "\n".join(block.text for block in blocks)
    if not script.strip():
        complain(blocks[0].line, "the block is empty; write what is to be run, or remove it")
    if len(script) > LONGEST_SCRIPT:
        complain(blocks[0].line, f"the block has {len(script)} characters, and {LONGEST_SCRIPT} is the limit; split the task")
    return {"script": script, "interpreter": blocks[0].language}


def _nothing_runs(section: Section) -> str:
    fences = sorted({fence for fence in section.other_fences if fence})
    aside = f" (its {', '.join(fences)} block is text: only sh, bash and python blocks are run)" if fences else ""
    return (
        f"`{section.title}` has neither a block nor an agent{aside}, and {NO_MODEL}, or "
        "add a fenced sh, bash or python block, or `agent: human`, or `agent: python` with `call: NAME`"
        + (", or make the list a paragraph if it is only text" if section.is_item else "")
    )
