"""A model that is away is waited for, within bounds; anything else is told at once."""

import pytest

from shared.errors import ModelFailed
from shared.models.patience import Patience

BUSY, REFUSED = ModelFailed("busy", code="model_busy", retry_after=7.0), ModelFailed("wrong key", code="model_refused", permanent=True)
AWAY = ModelFailed("away", code="model_unreachable")


class Asked:
    """Answers in turn, and takes note of the waits."""

    def __init__(self, *answers: ModelFailed | str) -> None:
        self.answers, self.slept, self.told = [*answers], list[float](), list[tuple[ModelFailed, float]]()

    async def __call__(self) -> str:
        answer = self.answers.pop(0)
        if isinstance(answer, ModelFailed):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def with_patience(self, **bounds: float) -> str:
        patience = Patience(lambda error: not error.permanent, base=1.0, cap=4.0, sleep=self.sleep, **bounds)
        return await patience.get(self, waits=lambda error, seconds: self.told.append((error, seconds)))


async def test_it_waits_as_long_as_the_endpoint_asks_for_and_else_within_the_jitter() -> None:
    asked = Asked(BUSY, AWAY, "yes")
    assert await asked.with_patience() == "yes"
    assert asked.slept[0] == 7.0
    assert 0 <= asked.slept[1] <= 2.0
    assert asked.told == [(BUSY, 7.0), (AWAY, asked.slept[1])]


async def test_what_does_not_pass_is_told_at_once() -> None:
    asked = Asked(REFUSED, "never asked")
    with pytest.raises(ModelFailed, match="wrong key"):
        await asked.with_patience()
    assert asked.answers == ["never asked"]
    assert asked.slept == []


async def test_what_may_have_been_billed_is_counted_by_itself() -> None:
    lost = [ModelFailed("lost", code=code) for code in ("model_timed_out", "model_broke_off")]
    assert await Asked(BUSY, *lost, BUSY, "yes").with_patience(most_billed=2) == "yes"
    with pytest.raises(ModelFailed, match="lost"):
        await Asked(BUSY, *lost, "too late").with_patience(most_billed=1)


@pytest.mark.parametrize(("bounds", "waits"), [({"most_waits": 2}, 2), ({"seconds": 6.0}, 0)])
async def test_patience_ends(bounds: dict[str, float], waits: int) -> None:
    asked = Asked(BUSY, BUSY, BUSY, "too late")
    with pytest.raises(ModelFailed, match="busy"):
        await asked.with_patience(**bounds)
    assert len(asked.slept) == waits
