"""LangGraph: a graph of one process that sends a fan and walks a chain, with its MongoDB checkpointer."""
# mypy: ignore-errors
# Its library is in the peer's own environment, not in the one that is checked.

import operator
import uuid
from contextlib import closing
from typing import Annotated, TypedDict

from langgraph.checkpoint.mongodb import MongoDBSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send
from pymongo import MongoClient

from benchmarks.peers import protocol

DURABILITY = "async"
SETTINGS = {"durability": DURABILITY, "processes": 1, "broker": "none"}
DURABLE = (
    "Each task's result and each step's state are written to MongoDB, by majority and journaled, while the next step runs (its default); "
    "one process does everything, and nobody takes over when it dies."
)


class Fanned(TypedDict):
    """What the fan's graph passes on: the numbers asked for, the results, and what the join says of them."""

    count: int
    results: Annotated[list[int], operator.add]
    answer: int


class Chained(TypedDict):
    """What the chain's graph passes on."""

    count: int
    number: int


def fanned(saver: MongoDBSaver) -> CompiledStateGraph:
    """One node that is sent every task, and one that joins."""
    graph = StateGraph(Fanned)
    graph.add_node("same", lambda number: {"results": [number]})
    graph.add_node("join", lambda state: {"answer": len(set(state["results"]))})
    graph.add_conditional_edges(START, lambda state: [Send("same", number) for number in range(state["count"])], ["same"])
    graph.add_edge("same", "join")
    return graph.compile(checkpointer=saver)


def chained(saver: MongoDBSaver) -> CompiledStateGraph:
    """One node that follows itself until the number is reached."""
    graph = StateGraph(Chained)
    graph.add_node("raised", lambda state: {"number": state["number"] + 1})
    graph.add_edge(START, "raised")
    graph.add_conditional_edges("raised", lambda state: "raised" if state["number"] < state["count"] else END, ["raised", END])
    return graph.compile(checkpointer=saver)


def run(graph: CompiledStateGraph, **state: int) -> dict[str, int]:
    """A run of its own; its last state."""
    config = {"configurable": {"thread_id": uuid.uuid4().hex}, "recursion_limit": state["count"] + 10}
    return graph.invoke(state, config, durability=DURABILITY)


def main() -> None:
    """One process that does everything."""
    asked = protocol.asked(__doc__)
    about = protocol.About("langgraph", "langgraph", DURABLE, SETTINGS)
    database = f"peer_langgraph_{uuid.uuid4().hex[:8]}"
    with closing(MongoClient(asked.store_url)) as store:
        saver = MongoDBSaver(store, db_name=database)
        fan, chain = fanned(saver), chained(saver)
        try:
            protocol.measure(
                about,
                asked,
                fan=lambda count: run(fan, count=count)["answer"],
                chain=lambda count: run(chain, count=count, number=0)["number"],
            )
        finally:
            store.drop_database(database)


if __name__ == "__main__":
    main()
