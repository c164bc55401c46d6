"""The planner without a model: the structure of the notes becomes the tree of tasks."""

from pathlib import PurePosixPath

from services.planner.names import shortened
from services.planner.planners.base import PlanRequest
from services.planner.planners.outline.build import Builder
from services.planner.planners.outline.frontmatter import front_of, of_the_run
from services.planner.planners.outline.problems import Problems
from services.planner.planners.outline.reader import read
from services.planner.planners.outline.roots import described, folder_title, promoted
from services.planner.planners.outline.section import Section
from services.planner.planners.outline.vetting import refuse_too_long, vet
from shared.contracts.plan import Plan, TaskSpec
from shared.errors import NotesError

NO_NOTES = "outline needs notes: it reads the tasks off their headings and lists; give a Markdown file, or choose another planner"


class OutlinePlanner:
    """Headings and list items are tasks; see docs for the format."""

    name = "outline"

    def plan(self, request: PlanRequest) -> Plan:
        """The plan for the notes. Raises NotesError with all problems, or LimitExceeded."""
        if not request.notes:
            raise NotesError([NO_NOTES])
        refuse_too_long(request.notes)
        problems = Problems([notes.name for notes in request.notes])
        vet(request.notes, problems)
        problems.refuse_if_any()
        files = [promoted(read(notes, problems)) for notes in request.notes]
        plan = _single(files[0], request, problems) if len(files) == 1 else _several(files, request, problems)
        problems.refuse_if_any()
        return plan


def _single(root: Section, request: PlanRequest, problems: Problems) -> Plan:
    """One file: what it holds is the run."""
    heading = root.title
    root.title = heading or _prompt_title(request) or PurePosixPath(root.file).stem
    builder = Builder([root], problems, has_model=request.means is not None)
    if root.children:
        tasks = builder.level(root.children)
        plan = _plan(request, problems, title=root.title, prose=[root.prose])
        return plan.model_copy(update={"tasks": tasks, **builder.root(root)})
    if not heading and not root.runs:
        problems.add(root.file, 1, "there is no task in these notes; write each as a heading or a list item")
    tasks = builder.level([root]) if heading or root.runs else ()
    return _plan(request, problems, title=root.title, prose=[]).model_copy(update={"tasks": tasks})


def _several(files: list[Section], request: PlanRequest, problems: Problems) -> Plan:
    """Several files: each is a task of the run, apart from those that are mere text."""
    groups = [root for root in files if root.title or not root.bare or root.children]
    for root in groups:
        root.title = root.title or PurePosixPath(root.file).stem
    if not groups:
        problems.add(files[0].file, 1, "there is no task in these notes; write each as a heading or a list item")
    title = _prompt_title(request) or folder_title(files) or ", ".join(root.title for root in groups)
    tasks = Builder(groups, problems, has_model=request.means is not None).level(groups)
    texts = [root.prose for root in files if root not in groups]
    fronts = {one.name: front_of(one, Problems([one.name])) for one in request.notes}
    tasks = tuple(_with_front(task, fronts[root.file]) for task, root in zip(tasks, groups, strict=False))
    return _plan(request, problems, title=title, prose=texts).model_copy(update={"tasks": tasks})


def _with_front(task: TaskSpec, front: dict[str, int]) -> TaskSpec:
    """The task that a file is, with what its front matter says, where the file's own heading does not say another."""
    if "priority" in task.model_fields_set or "priority" not in front:
        return task
    return task.model_copy(update={"priority": front["priority"]})


def _plan(request: PlanRequest, problems: Problems, *, title: str, prose: list[str]) -> Plan:
    description, of_run = described(request.prompt, prose), of_the_run(request.notes, problems)
    return Plan(task_id=request.task_id, planner=OutlinePlanner.name, title=shortened(title), description=description, tasks=(), **of_run)


def _prompt_title(request: PlanRequest) -> str:
    lines = request.prompt.strip().splitlines()
    return lines[0].strip() if lines else ""
