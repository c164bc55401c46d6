"""How a run is shown: lines, and the tree in the room that there is."""

from datetime import timedelta

from shared.contracts.phases import Phase
from taskgrove.cli.live import tree_lines
from taskgrove.cli.view import change_document, change_line, progress_line
from tests.unit.cli.views import BEGAN, RUN, seen, task


def test_a_change_is_one_line_with_where_and_how_long() -> None:
    parent = task("1", kind="group", title="Docs")
    done = task("1.2", title="Proof", usage={"seconds": 3.21})
    assert str(change_line(done, {f"{RUN}.1": parent}))[8:] == " ✓ Docs / Proof 3.2 s"


def test_a_failure_says_why_on_the_same_line() -> None:
    failed = task(
        "1", Phase.FAILED, started_at=BEGAN, finished_at=BEGAN + timedelta(seconds=2), error={"code": "x", "message": "exit\nstatus 3"}
    )
    assert str(change_line(failed, {}))[8:] == " ✗ Task 1 2.0 s: exit status 3"


def test_a_change_for_programs_knows_what_is_null() -> None:
    document = change_document(task("1", Phase.RUNNING, attempt=2))
    assert (document["taskId"], document["phase"], document["attempt"], document["seconds"]) == (f"{RUN}.1", "running", 2, None)


def test_progress_names_what_matters() -> None:
    look = seen(task("1"), task("2", Phase.RUNNING), task("3", Phase.FAILED), task("4", Phase.BLOCKED))
    assert progress_line(look) == "2/4 done, 1 failed, 1 running, ETA 10 s"


def test_progress_counts_the_tasks_and_not_the_run() -> None:
    look = seen(*[task(str(number), Phase.FAILED) for number in range(4)], task("5", Phase.CANCELLED), root=Phase.FAILED)
    assert progress_line(look) == "5/5 done, 4 failed, 1 cancelled"
    assert progress_line(seen(root=Phase.FAILED)) == "0/0 done"


def test_a_run_without_tasks_says_itself_why_it_failed() -> None:
    look = seen(root=Phase.FAILED, error={"code": "rejected", "message": "rejected by local"})
    assert [str(line) for line in tree_lines(look, {}, room=20)] == ["Release  failed  rejected by local"]


def test_a_small_run_is_shown_whole() -> None:
    look = seen(task("1"), task("1.1"), task("2", Phase.RUNNING))
    assert [str(line) for line in tree_lines(look, {f"{RUN}.2": "half way"}, room=20)] == [
        "Release  under way",
        "  ✓ Task 1",
        "    ✓ Task 1.1",
        "  ▶ Task 2  running  half way",
    ]


def test_finished_groups_are_folded_where_room_is_short() -> None:
    look = seen(task("1"), *[task(f"1.{number}") for number in range(30)], task("2", Phase.RUNNING))
    assert [str(line) for line in tree_lines(look, {}, room=10)] == ["Release  under way", "  ✓ Task 1", "  ▶ Task 2  running"]


def test_of_a_wide_run_only_what_goes_on_is_shown_and_the_rest_is_counted() -> None:
    look = seen(*[task(f"{number}") for number in range(30)], task("40", Phase.FAILED), *[task(f"5{n}", Phase.BLOCKED) for n in range(9)])
    lines = [str(line) for line in tree_lines(look, {}, room=10)]
    assert lines == ["Release  under way", "  ✗ Task 40  failed", "  … and 30 completed, 9 blocked"]


def test_a_tree_never_takes_more_room_than_there_is() -> None:
    look = seen(*[task(f"{number}", Phase.RUNNING) for number in range(50)])
    assert len(tree_lines(look, {}, room=12)) <= 12
