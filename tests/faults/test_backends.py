"""A short selection of the faults of RabbitMQ and MongoDB, in every `make test`; all of them: `make faults`."""

from tests.faults import scenarios_short  # noqa: F401 (it registers its scenario)
from tests.faults.bench import SCENARIOS, play
from tests.faults.report import line


async def test_one_fault_of_each_kind() -> None:
    result = await play(SCENARIOS["backends-short"])
    print(" ".join(line(result)), result.notes)
    assert result.findings == []
    assert result.faults >= 5
