"""What the simulation found, shrunk to the faults that it took; replayed by every run of the tests.

A seed tells the same story only as long as nothing changes what is read, written or said in it. What it found is tested beside the code as
well; here it is kept as the story that it was.
"""

from dataclasses import dataclass
from typing import Literal

from tests.simulation.faults import Sweep


@dataclass(frozen=True)
class Kept:
    """`faults` are the numbers of those that stay on; `found` is what came of them, and `mended` the commit that ended it."""

    seed: int
    sweep: Sweep
    faults: tuple[int, ...]
    found: str
    mended: str
    workload: Literal["walk", "workload"] = "workload"


DIED_UNHEARD = "the sequencer died between writing and saying: whoever heard the message next had nothing left to decide, and said nothing"
SAID_AGAIN = "A sequencer that dies between writing and saying loses no time"

KEPT = (
    Kept(36, "off", (0, 2), DIED_UNHEARD, SAID_AGAIN, "walk"),
    Kept(93, "off", (1,), DIED_UNHEARD, SAID_AGAIN, "walk"),
    Kept(
        176,
        "on",
        (2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
        "the store was away while an agent read what its task depends on: that cost the task one of its tries",
        "A store that is away while an agent reads what its task depends on costs time",
        "walk",
    ),
    Kept(
        509,
        "off",
        (0, 1, 3, 4),
        "a cancellation that was carried out and not noted acted again, after a later order had brought the run back",
        "An order does not act again on what a later one brought back",
    ),
    Kept(
        791,
        "off",
        (0, 1, 2, 3, 4, 6),
        "a group that was done again and then rejected left those below it waiting for ever",
        "What waits below a question that ends badly goes with it",
    ),
    Kept(
        100_046,
        "off",
        (0, 1, 2),
        "a sequencer died between noting an order and saying what it brought back: who heard the order next said it of its own task only",
        "An order that was noted and not said is said again of all that it let go",
    ),
    Kept(
        101_175,
        "off",
        (0, 1, 2, 3, 4),
        "a cancellation that was slow went on to cancel what a later order had brought back meanwhile, and the run waited for it for ever",
        "A slow cancellation leaves alone what was brought back meanwhile",
    ),
    Kept(
        300_231,
        "off",
        (0, 1, 2),
        "a sequencer died after it had adopted a plan again whose tasks had ended by then: nobody looked at their parent any more",
        "Who hears of an adopted plan again looks at what grew of it, also where all of it is over",
    ),
    Kept(
        400_422,
        "off",
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
        "a retry that died between its two rounds was not finished: a later order of that task had been carried out before it came again",
        "What an interrupted order brought back goes on, also where a later order came before it was heard again",
    ),
    Kept(
        4_546,
        "on",
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 17, 18, 19, 20, 21, 23),
        "an order to do a group again that went on late reached a task that had grown and was done since, below parents that were over",
        "An order that goes on late leaves alone what grew after it",
    ),
    Kept(
        1_002_184,
        "off",
        (0, 1, 2, 4, 5),
        "a run was cancelled while its tasks grew, and its sequencer died before it saw that: they stayed open for ever",
        "What grew below a cancelled task goes when its plan is heard again",
    ),
    Kept(
        3_632,
        "off",
        (),
        "a person handed in the result of a group that was to be done again and had nothing open below it: the order made its handler fail",
        "The result of a group that waits to be done again can be handed in",
    ),
    Kept(
        3_661,
        "off",
        (0, 1, 2, 3, 4, 5, 6, 7),
        "a sequencer that cancelled a run died before it came to the tasks that had just grown: an order completed one of them",
        "What is left open below a task that is over does not go on by an order",
    ),
    Kept(
        4_194,
        "off",
        (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12),
        "a read failed after a verdict had opened a group that was to be done again: what began below it was never said",
        "Who hears a verdict again says what it let go also below the groups that it opened",
    ),
    Kept(
        5_906,
        "off",
        (0, 1, 2, 5),
        "a sequencer died after a verdict had opened a group that was to be done again: what began below it was never said",
        "Who hears a verdict again says what it let go also below the groups that it opened",
    ),
    Kept(
        8_050,
        "off",
        (1, 2),
        "a sequencer died after an approval had opened a group that was to be done again: nobody looked at what waits below it any more",
        "Who hears an answer again looks at what it let go",
    ),
    Kept(
        5_214,
        "off",
        (0, 1),
        "people handed in the result of a group that waited for a retry, when all below it was cancelled: the order made its handler fail",
        "The result of a group that waits to be done again can be handed in",
    ),
    Kept(
        1_005_472,
        "off",
        (),
        "two attempts of a task that was done again were heard together, the older one last: the newer one was not begun",
        "Of two attempts heard together the newer one is begun",
    ),
    Kept(
        2_014_406,
        "off",
        (0, 1, 2, 3, 4),
        "a sequencer died before it cancelled what was below a group that it gave up: who heard the answer again did not come so far",
        "What waits below a task that was given up goes with it, whoever hears of it again",
    ),
    Kept(
        2_019_020,
        "off",
        (0, 2),
        "all below a run was over before the run knew that it had been broken down: nobody looked at it again",
        "A task whose children are over before it is broken down is joined",
    ),
    Kept(
        2_041_664,
        "off",
        (),
        "a group was cancelled while its tasks grew, tried again, and rejected: what had grown below it stayed open",
        "What waits below a group that ends before it began goes with it, known to it or not",
    ),
)
