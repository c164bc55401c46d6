"""Graphs that hurt: very many into one, one into very many, and layers in which everything waits for everything."""

from benchmarks.figures import Bar, Figure, Readings, Taken
from benchmarks.plans import burst, fan, layers
from benchmarks.plot import Bars, Row
from benchmarks.question import Question
from benchmarks.runs import run_plan
from benchmarks.sizes import Sizes
from benchmarks.stack import Bench

MIB = 2**20
MOST_DOCUMENT = Bar(1)
SUBMITTED = "submissions"
SHAPES = ("into one", "from one", "layers")
OURS = ("tasks", "sequences", "plans", "plannings", "attempts", "verdicts", "feed", "logs")


async def measure(bench: Bench, sizes: Sizes) -> Readings:
    """Seconds from the first dispatch, and microseconds an edge, for each shape; MiB of the largest documents."""
    plans = (fan(sizes.wide), burst(sizes.wide), layers(sizes.layer, sizes.layers))
    readings: dict[str, float] = {}
    for shape, plan in zip(SHAPES, plans, strict=True):
        run = await run_plan(bench, plan)
        readings[shape] = run.work
        readings[f"{shape}, an edge"] = run.work * 1e6 / _edges(sizes)[shape]
    sizes_of = {name: await _largest(bench, name) for name in (*OURS, SUBMITTED)}
    return readings | {f"largest in {name}": size for name, size in sizes_of.items()}


def figures(taken: Taken, sizes: Sizes) -> list[Figure]:
    """Done is that there are figures at all; what an edge cost; how large documents became."""
    own, edges = taken["shapes"], _edges(sizes)
    titles = dict(zip(SHAPES, _titles(sizes), strict=True))
    found = [Figure(f"{titles[shape]}, first dispatch to verified", "s", own[shape]) for shape in SHAPES]
    found += [Figure(f"{titles[shape]}, each of {edges[shape]} edges", "μs", own[f"{shape}, an edge"]) for shape in SHAPES]
    found += [Figure(f"largest document in {name}", "MiB", own[f"largest in {name}"], MOST_DOCUMENT) for name in OURS]
    return [*found, Figure(f"largest document in {SUBMITTED}: what the client sent", "MiB", own[f"largest in {SUBMITTED}"])]


def plot(taken: Taken, sizes: Sizes) -> Bars:
    """What an edge costs."""
    own = taken["shapes"]
    rows = tuple(Row(title, own[f"{shape}, an edge"]) for shape, title in zip(SHAPES, _titles(sizes), strict=True))
    return Bars("Graphs that hurt", "microseconds an edge, the tasks themselves included", rows)


def _titles(sizes: Sizes) -> tuple[str, str, str]:
    return f"{sizes.wide} into one", f"one into {sizes.wide}", f"{sizes.layers} layers of {sizes.layer}"


def _edges(sizes: Sizes) -> dict[str, int]:
    return {"into one": sizes.wide, "from one": sizes.wide, "layers": (sizes.layers - 1) * sizes.layer**2}


async def _largest(bench: Bench, collection: str) -> float:
    """MiB of the largest document of a collection, 0 where there is none."""
    size = {"$group": {"_id": None, "most": {"$max": {"$bsonSize": "$$ROOT"}}}}
    found = await (await bench.documents[collection].aggregate([size])).to_list()
    return found[0]["most"] / MIB if found else 0.0


QUESTION = Question(
    "shapes",
    "Shapes: graphs that hurt",
    """{wide} tasks that one waits for; one task that {wide} wait for; {layers} layers of {layer} tasks, each waiting for all
{layer} of the layer before. What an edge costs is the time from the first dispatch to the verified root by the number of edges: the
tasks' own cost is in it, which is most of it where there are as many tasks as edges. Afterwards the store is asked for its largest
documents. What the client sent is kept whole in `submissions`, as it came, and is bounded by what `POST /tasks` takes; nothing else
may grow with the run.""",
    measure,
    figures,
    plot,
    fresh=True,
)
