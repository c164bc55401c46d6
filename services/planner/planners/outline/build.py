"""Turns sections into tasks. Every problem is noted and building goes on, so that one reading shows them all."""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from services.planner.lint import not_kept
from services.planner.names import TITLE_LENGTH, folded, shortened, unique_slugs
from services.planner.planners.outline.keys import CHECK_KEYS, KEYS
from services.planner.planners.outline.order import Order
from services.planner.planners.outline.problems import Problems
from services.planner.planners.outline.section import Section
from services.planner.planners.outline.settings import Settings, read_settings
from services.planner.planners.outline.work import work
from shared.contracts.plan import Kind, TaskSpec

# What is set in the notes under one name and in a task under the same.
PLAIN_KEYS = {
    "retries": "retries",
    "timeout": "timeout",
    "on-failure": "on_failure",
    "priority": "priority",
    "estimate": "estimate",
    "approval": "checkpoint",
}
ROOT_KEYS = {*CHECK_KEYS, "priority"}


class Builder:
    """Builds the tasks below `roots`. With `has_model`, tasks that name nobody are for a language model."""

    def __init__(self, roots: Sequence[Section], problems: Problems, *, has_model: bool) -> None:
        self._problems = problems
        self._has_model = has_model
        self._order = Order(roots, problems)

    def level(self, sections: Sequence[Section]) -> tuple[TaskSpec, ...]:
        """These siblings and all below them."""
        self._refuse_duplicates(sections)
        siblings = dict(zip(unique_slugs(section.title for section in sections), sections, strict=True))
        settings = {key: read_settings(section, self._problems) for key, section in siblings.items()}
        after = self._order.of(siblings, settings)
        tasks = [self._task(key, section, settings[key], after=after[key]) for key, section in siblings.items()]
        return tuple(task for task in tasks if task is not None)

    def root(self, root: Section) -> dict[str, Any]:
        """What a root with tasks below it sets for the run itself: its checks, and the priority of all of it."""
        settings = read_settings(root, self._problems)
        for key in settings.given:
            if key not in ROOT_KEYS:
                message = f"`{key}` cannot be set for the whole run, only checks and priority can; set it on its tasks"
                self._problems.add(root.file, settings.line(key), message)
        self._refuse_block(root)
        return {"checks": settings.checks} | ({"priority": settings.one("priority")} if "priority" in settings else {})

    def _task(self, key: str, section: Section, settings: Settings, *, after: tuple[str, ...]) -> TaskSpec | None:
        children = section.children
        subtasks = self.level(children) if children else ()
        agent, inputs = self._group(section, settings) if children else self._work(section, settings)
        fields = {field: settings.one(name) for name, field in PLAIN_KEYS.items() if name in settings}
        try:
            return TaskSpec(
                key=key,
                title=shortened(section.title),
                description=_description(section),
                kind=_kind(settings, group=bool(children)),
                after=after,
                agent=agent,
                inputs=inputs,
                outputs=settings.outputs,
                checks=settings.checks,
                notes=(section.reference,),
                subtasks=subtasks,
                **fields,
            )
        except ValidationError as error:
            self._refuse_fields(section, error)
            return None

    def _work(self, section: Section, settings: Settings) -> tuple[str | None, dict[str, Any]]:
        for key in CHECK_KEYS:
            for check in settings.given.get(key, ()):
                if wrong := not_kept(check.value, settings.outputs):
                    self._problems.add(section.file, check.line, f"`{key}`: {wrong}")
        return work(section, settings, self._complainer(section), has_model=self._has_model)

    def _group(self, section: Section, settings: Settings) -> tuple[None, dict[str, Any]]:
        for key in settings.given:
            if not KEYS[key].groups:
                message = f"`{key}` is for a task that is run, and `{section.title}` has tasks below it; set it on these, or remove them"
                self._problems.add(section.file, settings.line(key), message)
        self._refuse_block(section)
        return None, {}

    def _refuse_block(self, section: Section) -> None:
        if section.blocks:
            message = f"`{section.title}` has both a block and tasks below it; put the block under a heading or an item of its own"
            self._problems.add(section.file, section.blocks[0].line, message)

    def _refuse_duplicates(self, sections: Sequence[Section]) -> None:
        first: dict[str, Section] = {}
        for section in sections:
            other = first.setdefault(folded(section.title), section)
            if other is not section and section.title:
                message = f"`{section.title}` is already the title of {other.file}:{other.line}, its sibling; give it another title"
                self._problems.add(section.file, section.line, message)

    def _refuse_fields(self, section: Section, error: ValidationError) -> None:
        for one in error.errors():
            field = ".".join(str(part) for part in one["loc"])
            self._problems.add(section.file, section.line, f"{field} of `{shortened(section.title)}`: {one['msg']}; mend it")

    def _complainer(self, section: Section) -> Any:
        return lambda line, message: self._problems.add(section.file, line, message)


def _kind(settings: Settings, *, group: bool) -> Kind:
    if group:
        return "group"
    return "integration" if settings.one("integration", default=False) else "work"


def _description(section: Section) -> str:
    """The prose; a title that had to be cut stands before it in full."""
    whole = [section.title] if len(section.title) > TITLE_LENGTH else []
    return "\n\n".join([*whole, section.prose]).strip()
