"""Which tree of tasks the outline planner reads off some notes."""

import pytest

from services.planner.lint import lint
from services.planner.planners import planner_named
from shared.contracts.plan import Checkpoint
from tests.unit.planner.samples import BLOCK, outline, problems, request, task, waits

RELEASE = """\
# Release 1.4

Ship it.

## Fetch sources
- check: test -s dist/src.tgz

    ```sh
    mkdir -p dist
    echo sources > dist/src.tgz
    ```

## Unit tests
- after: Fetch sources
- retries: 2
- timeout: 10m

```python
print("tested")
```

## Licence report
- agent: human
- question: Are all licences known?

## Publish
- after: Unit tests, Licence report
- approval: before, by release, 2 of 3
- integration: yes

```bash
echo published
```
"""


def test_the_example_of_the_format() -> None:
    plan = outline(RELEASE)

    assert (plan.task_id, plan.planner, plan.title, plan.description) == ("run", "outline", "Release 1.4", "Ship it.")
    assert waits(plan) == {
        "fetch-sources": (),
        "unit-tests": ("fetch-sources",),
        "licence-report": (),
        "publish": ("unit-tests", "licence-report"),
    }
    fetch, tests, licences, publish = plan.tasks
    assert fetch.inputs == {"script": "mkdir -p dist\necho sources > dist/src.tgz\n", "interpreter": "sh"}
    assert fetch.checks == ({"kind": "command", "run": "test -s dist/src.tgz"},)
    assert fetch.notes == ("a.md#fetch-sources",)
    assert (tests.agent, tests.retries, tests.timeout, tests.inputs["interpreter"]) == ("shell", 2, 600, "python")
    assert (licences.agent, licences.inputs) == ("human", {"question": "Are all licences known?"})
    assert (publish.kind, publish.checkpoint) == ("integration", Checkpoint(when="before", approvers=("release",), required=2))
    assert not [finding for finding in lint(plan) if finding.severity == "error"]


def test_the_format_as_abridged_in_the_contract_is_refused_line_by_line() -> None:
    text = """\
    # Release 1.4

    ## Fetch sources
    - check: test -s dist/src.tgz

        ```sh
        ...
        ```

    ## Unit tests
    - after: Fetch sources
    - retries: 2
    - timeout: 10m

    ## Publish
    - after: Unit tests, Licence report
    - approval: before, by release, 2 of 3
    - integration: yes
    """
    found = problems(text)
    assert [one.split(": ")[0] for one in found] == ["a.md:10", "a.md:15", "a.md:16"]
    assert "`Unit tests` has neither a block nor an agent" in found[0]
    assert "`after` names `Licence report`" in found[2]


def test_headings_nest_and_a_skipped_level_does_no_harm() -> None:
    plan = outline(f"# Run\n## Build\nAll of it.\n#### Compile{BLOCK}### Link{BLOCK}## Test{BLOCK}")
    assert [one.title for one in plan.tasks] == ["Build", "Test"]
    build = task(plan, "Build")
    assert (build.kind, build.description, build.agent) == ("group", "All of it.", None)
    assert [one.title for one in build.subtasks] == ["Compile", "Link"]


def test_siblings_are_parallel_unless_an_ordered_list_puts_them_in_order() -> None:
    text = """\
    # Run
    ## Ordered
    1. One
       ```sh
       one
       ```
    2. Two
       - agent: human
    3. Three
       - Three a
         ```sh
         a
         ```
       - Three b
         ```sh
         b
         ```
    ## Unordered
    * One
      ```sh
      one
      ```
    * Two
      - agent: human
      - after: one
    * Three
      - agent: human
    """
    plan = outline(text)
    assert waits(plan) == {"ordered": (), "unordered": ()}
    assert {one.key: one.after for one in task(plan, "Ordered").subtasks} == {"one": (), "two": ("one",), "three": ("two",)}
    assert {one.key: one.after for one in task(plan, "Ordered", "Three").subtasks} == {"three-a": (), "three-b": ()}
    assert {one.key: one.after for one in task(plan, "Unordered").subtasks} == {"one": (), "two": ("one",), "three": ()}


def test_an_interrupted_ordered_list_goes_on_where_its_numbers_do() -> None:
    plan = outline("# Run\n1. One\n   - agent: human\n\nThen, unindented:\n\n2. Two\n   - agent: human\n")
    assert waits(plan) == {"one": (), "two": ("one",)}
    apart = outline("# Run\n1. One\n   - agent: human\n\nAnd beside it:\n\n1. Two\n   - agent: human\n")
    assert waits(apart) == {"one": (), "two": ()}


def test_integration_waits_for_all_but_those_that_wait_for_it() -> None:
    text = f"""\
# Run
## A{BLOCK}
## Join
- integration: yes
{BLOCK}
## B{BLOCK}
## Announce
- after: Join
{BLOCK}
## Later
- after: Announce
{BLOCK}
## Other join
- integration: yes
{BLOCK}"""
    assert waits(outline(text)) == {
        "a": (),
        "join": ("a", "b"),
        "b": (),
        "announce": ("join",),
        "later": ("announce",),
        "other-join": ("a", "b", "announce", "later"),
    }


def test_a_group_may_be_the_integration() -> None:
    plan = outline(f"# Run\n## A{BLOCK}## Publish\n- integration: yes\n\n### Upload{BLOCK}")
    assert waits(plan) == {"a": (), "publish": ("a",)}
    assert task(plan, "Publish").kind == "group"


def test_a_list_is_text_where_the_heading_itself_says_what_runs() -> None:
    plan = outline(
        f"# Run\n## Build\nIt has\n\n- speed\n- size\n  - on disk\n{BLOCK}## Sign\n- agent: human\n\nLook at:\n\n1. date\n2. name\n"
    )
    assert [one.subtasks for one in plan.tasks] == [(), ()]
    assert task(plan, "Build").description == "It has\n\n- speed\n- size\n  - on disk"
    assert task(plan, "Sign").description == "Look at:\n\n1. date\n2. name"


def test_prose_of_all_kinds_is_the_description() -> None:
    text = """\
    # Run
    ## Build
    A paragraph
    of two lines.

    > ## quoted
    > - list

    ```json
    {"a": 1}
    ```

    <!-- nobody needs this -->

    [link]: http://example.org

    ```sh
    make
    ```
    """
    build = task(outline(text), "Build")
    assert build.description == (
        'A paragraph\nof two lines.\n\n> ## quoted\n> - list\n\n```json\n{"a": 1}\n```\n\n[link]: http://example.org'
    )
    assert build.inputs["script"] == "make\n"


def test_blocks_of_one_language_are_joined() -> None:
    plan = outline("# Run\n## Build\n```sh\none\n```\nand\n~~~SH title=x\ntwo\n~~~\n")
    assert task(plan, "Build").inputs == {"script": "one\n\ntwo\n", "interpreter": "sh"}


@pytest.mark.parametrize(
    ("notes", "prompt", "title", "description", "tasks"),
    [
        (f"# Run\nAbout.\n## A{BLOCK}", "", "Run", "About.", ["A"]),
        (f"# Run\nAbout.\n## A{BLOCK}", "Do it", "Run", "Do it\n\nAbout.", ["A"]),
        (f"Before.\n\n# Run\nAbout.\n## A{BLOCK}", "", "Run", "Before.\n\nAbout.", ["A"]),
        (f"# A{BLOCK}# B{BLOCK}", "Do it\nnow", "Do it", "Do it\nnow", ["A", "B"]),
        (f"# A{BLOCK}# B{BLOCK}", "", "a", "", ["A", "B"]),
        ("- A\n  - agent: human\n- B\n  - agent: human\n", "Do it", "Do it", "Do it", ["A", "B"]),
        (f"# Say hello{BLOCK}", "", "Say hello", "", ["Say hello"]),
        (BLOCK, "Do it", "Do it", "Do it", ["Do it"]),
        (BLOCK, "", "a", "", ["a"]),
        ("Run\n===\n\nA\n---\n- agent: human\n", "", "Run", "", ["A"]),
        (f"\ufeff# Run\r\n## A\r\n{BLOCK}", "", "Run", "", ["A"]),
        (f"---\ntitle: x\ntags:\n  - y\n---\n# Run\n## A{BLOCK}", "", "Run", "", ["A"]),
    ],
)
def test_what_the_run_is_called(*, notes: str, prompt: str, title: str, description: str, tasks: list[str]) -> None:
    plan = outline(notes, prompt=prompt)
    assert (plan.title, plan.description, [one.title for one in plan.tasks]) == (title, description, tasks)


def test_checks_of_the_top_heading_are_the_run_s() -> None:
    plan = outline(f"# Run\n- check: test -e all\n- check-file: out/*.txt\n\n## A{BLOCK}")
    assert plan.checks == ({"kind": "command", "run": "test -e all"}, {"kind": "file", "path": "out/*.txt"})


def test_each_of_several_files_is_a_task_of_the_run() -> None:
    plan = outline(f"# Build\n## A{BLOCK}", f"# Test\n- after: Build\n{BLOCK}", f"# X{BLOCK}# Y{BLOCK}", "Mere text.", prompt="All")
    assert (plan.title, plan.description) == ("All", "All\n\nMere text.")
    assert waits(plan) == {"build": (), "test": ("build",), "c": ()}
    assert [one.kind for one in plan.tasks] == ["group", "work", "group"]
    assert task(plan, "c", "X").notes == ("c.md#x",)


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (("notes/release-audit/1.md", "notes/release-audit/2.md"), "Release audit"),
        (("one/1.md", "two/2.md"), "Build, Test"),
        (("1.md", "2.md"), "Build, Test"),
    ],
)
def test_several_files_are_called_as_their_folder(names: tuple[str, ...], title: str) -> None:
    files = request(f"# Build{BLOCK}", f"# Test{BLOCK}", names=names)
    assert planner_named("outline").plan(files).title == title


def test_titles_that_make_the_same_key_get_numbers() -> None:
    plan = outline("# Run\n" + "".join(f"- {title}\n  - agent: human\n" for title in ("C++", "C", "日本", "!!!", "???", "a" * 200)))
    assert [one.key for one in plan.tasks] == ["c", "c-2", "日本", "task", "task-2", "a" * 100]


def test_a_long_item_is_cut_to_a_title_and_kept_whole_in_the_description() -> None:
    plan = outline(f"# Run\n- {'long ' * 100}\n  - agent: human\n")
    assert len(plan.tasks[0].title) == 300
    assert plan.tasks[0].description == ("long " * 100).strip()


def test_twenty_thousand_tasks_in_a_chain_with_an_integration() -> None:
    count = 20_000
    text = "# Run\n" + "".join(f"## Task {n}\n- after: Task {n - 1}\n{BLOCK}" if n else f"## Task 0{BLOCK}" for n in range(count))
    plan = outline(text + f"## Join\n- integration: yes\n{BLOCK}")
    assert len(plan.tasks) == count + 1
    assert plan.tasks[-2].after == (f"task-{count - 2}",)
    assert len(plan.tasks[-1].after) == count
