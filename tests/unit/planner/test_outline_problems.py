"""Each thing that can be wrong with notes, with the place and the way out that a person is told."""

import pytest

from services.planner.planners import planner_named
from services.planner.planners.outline.vetting import MOST_BYTES
from shared.errors import LimitExceeded, NotesError
from tests.unit.planner.samples import BLOCK, only_problem, outline, problems, request


def test_notes_are_needed() -> None:
    with pytest.raises(NotesError, match="outline needs notes"):
        planner_named("outline").plan(request(prompt="Do it"))


@pytest.mark.parametrize("text", ["", " \n\t\n", "\ufeff\n"])
def test_empty_notes(text: str) -> None:
    assert only_problem(f"# Run{BLOCK}", text).startswith("b.md:1: the file is empty; ")


@pytest.mark.parametrize(("text", "line"), [("# A\n\x00", 2), ("\x1b[0m", 1), ("a\r\nb\rc\n\x01", 4)])
def test_binary_notes(text: str, line: int) -> None:
    assert only_problem(text).startswith(f"a.md:{line}: there is a control character (U+00")


def test_notes_that_are_too_long() -> None:
    with pytest.raises(LimitExceeded, match=rf"{MOST_BYTES + 2} bytes, and the limit is {MOST_BYTES} \(4 MiB\)"):
        outline("é" * (MOST_BYTES // 2), "ab")


def test_two_files_of_one_name() -> None:
    with pytest.raises(NotesError, match=r"x\.md:1: two files of notes have this name"):
        planner_named("outline").plan(request("# A", "# B", names=("x.md", "x.md")))


def test_unknown_keys() -> None:
    found = problems(f"# Run\n## T\n- chek: x\n- timeout: 1s\n- colour: red\n{BLOCK}")
    assert found[0].startswith("a.md:3: `chek` is no key; did you mean `check`?")
    assert found[1].startswith("a.md:5: `colour` is no key; ")
    assert len(found) == 2


@pytest.mark.parametrize(
    "items", ["- note: something", "- note: a\n- hint: b", "- retires: 2\n- plain", "- chek: x\n\n    ```sh\n    y\n    ```"]
)
def test_a_list_that_looks_like_keys_is_taken_for_keys(items: str) -> None:
    assert any(" is no key; " in one and one.startswith("a.md:3: ") for one in problems(f"# Run\n## T\n{items}\n{BLOCK}"))


def test_a_list_of_sentences_with_colons_is_no_list_of_keys() -> None:
    found = problems("# Run\n- Linux: with gcc\n- and some more\n")
    assert [one.partition(" has neither ")[0] for one in found] == ["a.md:2: `Linux: with gcc`", "a.md:3: `and some more`"]


def test_an_item_among_keys_that_is_none() -> None:
    assert only_problem(f"# Run\n## T\n- timeout: 1s\n- compile it\n{BLOCK}").startswith("a.md:4: `compile it` stands among keys, ")


def test_a_list_below_a_key_that_has_its_value() -> None:
    text = f"# Run\n## T\n- check: x\n  - timeout: 1s\n{BLOCK}"
    assert only_problem(text).startswith("a.md:4: this list is nested below `check`, ")


def test_a_key_without_a_value() -> None:
    assert only_problem(f"# Run\n## T\n- check:\n{BLOCK}").startswith("a.md:3: `check` has no value; ")


def test_a_check_on_a_hidden_file_that_is_not_kept() -> None:
    notes = "# Run\n## T\n- check-file: a.txt\n- check-contains: .env: KEY\n- outputs: {}" + BLOCK
    assert only_problem(notes.format("a.txt")).startswith(
        "a.md:4: `check-contains`: '.env' is hidden, and hidden files are kept only where"
    )
    assert outline(notes.format("a.txt, .env")).tasks[0].outputs == ("a.txt", ".env")


def test_a_key_that_is_set_twice() -> None:
    text = f"# Run\n## T\n- timeout: 1s\n- check: a\n- timeout: 2s\n{BLOCK}"
    assert only_problem(text) == "a.md:5: `timeout` is already set in line 3; keep one of them"


def test_an_unknown_name_in_after_with_the_nearest() -> None:
    text = f"# Run\n## Fetch sources{BLOCK}## Test\n- after: Fetch surces\n{BLOCK}"
    assert (
        only_problem(text)
        == "a.md:7: `after` names `Fetch surces`, but no task beside `Test` is called that; did you mean `Fetch sources`?"
    )


def test_an_unknown_name_in_after_with_nothing_near() -> None:
    text = f"# Run\n## Fetch{BLOCK}## Test\n- after: zzzzz, fetch\n{BLOCK}"
    assert only_problem(text).startswith("a.md:7: `after` names `zzzzz`, but no task beside `Test` is called that; name a task")


def test_after_names_siblings_only() -> None:
    text = f"# Run\n## Build\n### Compile{BLOCK}## Test\n- after: Compile\n{BLOCK}"
    assert only_problem(text) == (
        "a.md:8: `after` names siblings only, and `Compile` is a.md:3, below `Build`; name `Build`, which it belongs to"
    )


def test_after_names_siblings_only_from_below() -> None:
    text = f"# Run\n## Build\n### Compile\n- after: Test\n{BLOCK}## Test{BLOCK}"
    assert "`Test` is a.md:9, below `Run`; let their parents wait" in only_problem(text)


def test_a_task_that_waits_for_itself() -> None:
    assert only_problem(f"# Run\n## T\n- after: t\n{BLOCK}") == "a.md:3: `T` waits for itself; take it out of `after`"


def test_a_cycle_is_printed() -> None:
    text = f"# Run\n## A\n- after: C\n{BLOCK}## B\n- after: A\n{BLOCK}## C\n- after: B\n{BLOCK}"
    assert only_problem(text).startswith("a.md:3: these wait for each other: `A` → `C` → `B` → `A`; ")


def test_every_cycle_is_printed() -> None:
    text = "# Run\n" + "".join(f"## {one}\n- after: {other}\n{BLOCK}" for one, other in ("AB", "BA", "CD", "DC"))
    assert [one.partition(" these")[0] for one in problems(text)] == ["a.md:3:", "a.md:15:"]


def test_a_cycle_through_an_ordered_list() -> None:
    text = "# Run\n1. A\n   - agent: human\n   - after: B\n2. B\n   - agent: human\n"
    assert only_problem(text).startswith("a.md:4: these wait for each other: `A` → `B` → `A`; ")


def test_duplicate_titles() -> None:
    text = f"# Run\n## Unit tests{BLOCK}## unit  Tests{BLOCK}## G\n### Unit tests{BLOCK}"
    assert only_problem(text) == "a.md:6: `unit Tests` is already the title of a.md:2, its sibling; give it another title"


def test_duplicate_titles_of_files() -> None:
    assert only_problem(f"# A{BLOCK}", f"# A{BLOCK}").startswith("b.md:1: `A` is already the title of a.md:1")


def test_all_tasks_that_nothing_runs_are_listed() -> None:
    found = problems("# Run\n## A\nText.\n## B\n```js\nx\n```\n## C\n- one\n- two\n")
    assert [one.split(" ")[:2] for one in found] == [["a.md:2:", "`A`"], ["a.md:4:", "`B`"], ["a.md:9:", "`one`"], ["a.md:10:", "`two`"]]
    assert all("no language model is configured" in one and "`agent: python` with `call: NAME`" in one for one in found)
    assert "its js block is text" in found[1]


def test_notes_without_any_task() -> None:
    assert only_problem("Mere text.") == "a.md:1: there is no task in these notes; write each as a heading or a list item"
    assert only_problem("One.", "Two.").startswith("a.md:1: there is no task in these notes; ")
    assert only_problem("# Run\nMere text.").startswith("a.md:1: `Run` has neither a block nor an agent")


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("```sh\na\n```\n```bash\nb\n```\n", 6, "`T` has blocks in two languages (sh in line 3, bash here); "),
        ("```sh\n\n```\n", 3, "the block is empty; "),
        ("```sh\ntrue\n", 3, "this block is never closed; end it with a line ```"),
        ("- agent: shell\n", 2, "`T` has `agent: shell` and nothing to run; "),
        ("- agent: human\n" + BLOCK, 5, "a block is run by `shell`, and this task has `agent: human`; "),
        ("- agent: python\n", 3, "`agent: python` needs to know what to call; add `call: NAME`"),
        ("- agent: human\n- call: x\n", 4, "`call` is for `agent: python`, and this task has `human`; "),
        ("- question: x\n" + BLOCK, 3, "`question` is for `agent: human`, and this task has `shell`; "),
        ("- agent: integrate\n", 3, "`integrate` joins what siblings made; "),
        ("```sh\na\n```\n### Below\n- agent: human\n", 3, "`T` has both a block and tasks below it; "),
        ("- timeout: 1s\n\n### Below\n- agent: human\n", 3, "`timeout` is for a task that is run, and `T` has tasks below it; "),
        ("```sh\n" + "x" * 262_144 + "\n```\n", 3, "the block has 262145 characters, and 262144 is the limit; "),
        ("x" * 65_537 + BLOCK, 2, "description of `T`: String should have at most 65536 characters; "),
        ("## \n" + BLOCK, 3, "there is a heading or an item without text; "),
    ],
)
def test_tasks_that_cannot_be(body: str, line: int, says: str) -> None:
    assert any(one.startswith(f"a.md:{line}: {says}") for one in problems(f"# Run\n## T\n{body}"))


def test_an_item_without_text() -> None:
    assert any(one.startswith("a.md:2: there is a heading or an item without text") for one in problems("# Run\n- ```sh\n  true\n  ```\n"))


def test_the_run_itself_takes_checks_and_a_priority_alone() -> None:
    found = problems(f"# Run\n- retries: 1\n- check: x\n{BLOCK}\n## A{BLOCK}")
    assert [one.partition(";")[0] for one in found] == [
        "a.md:2: `retries` cannot be set for the whole run, only checks and priority can",
        "a.md:5: `Run` has both a block and tasks below it",
    ]


def test_lists_too_deep_to_be_read() -> None:
    assert only_problem("".join("  " * depth + "- a\n" for depth in range(60))).startswith(
        "a.md:49: this is nested more than 49 lists deep; "
    )


def test_too_many_integrations() -> None:
    text = "# Run\n" + "".join(f"- T{n}\n  - agent: human\n  - integration: {'yes' if n % 2 else 'no'}\n" for n in range(3_000))
    with pytest.raises(LimitExceeded, match="1500 integration steps that each wait for 1500 tasks"):
        outline(text)


def test_a_problem_quotes_no_whole_book() -> None:
    assert len(only_problem("# " + "x " * 20_000)) < 3_000


def test_all_problems_of_all_files_in_order() -> None:
    found = problems(f"# A\n## X\n- timeout: soon\n{BLOCK}## Y\n", f"# B\n- after: C\n{BLOCK}")
    assert [one.split(": ")[0] for one in found] == ["a.md:3", "a.md:8", "b.md:2"]
