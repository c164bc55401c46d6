"""All questions, in the order in which they are taken and told."""

from benchmarks import (
    backpressure,
    chain,
    cli,
    counts,
    fair,
    fan,
    growth,
    idle,
    others,
    recovery,
    replicas,
    shapes,
    startup,
    submit,
    waiting,
    workflows,
)
from benchmarks.question import Question

QUESTIONS: dict[str, Question] = {
    module.QUESTION.name: module.QUESTION
    for module in (
        fan, chain, others, counts, submit, cli, idle, waiting, workflows, growth, shapes, replicas, fair, backpressure, startup, recovery,
    )
}  # fmt: skip
PEERS = others.QUESTION.name
