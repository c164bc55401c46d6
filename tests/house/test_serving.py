"""Servers inside tests leave nothing behind: what one leaves fails another, hours and hundreds of tests later."""

import asyncio
import gc
import re
import warnings

from tests.house.sources import ROOT, tracked
from tests.serving import served

# Processes of their own, which end with all that they hold; and what they are tried on.
OTHERS = ("tests/faults/",)


async def test_no_connection_is_left_to_the_garbage_collector() -> None:
    """The client goes first, and the server that never reads does not notice: the case that leaked."""

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.05)

    gc.collect()
    with warnings.catch_warnings(record=True, action="always") as said:
        async with served(silent) as port:
            _, gone = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            gone.close()
            await gone.wait_closed()
        assert await asyncio.wait_for(reader.read(), 5) == b"", "the end of the block ends the connection"
        writer.close()
        del reader, writer, gone
        await asyncio.sleep(0.1)
        gc.collect()
    assert [str(one.message) for one in said] == []


def test_servers_are_made_in_one_place() -> None:
    by_themselves = re.compile(r"asyncio\.start_server\(")
    tests = {str(path.relative_to(ROOT)): path for path in tracked() if path.suffix == ".py" and path.is_relative_to(ROOT / "tests")}
    users = [name for name, path in tests.items() if by_themselves.search(path.read_text()) and not name.startswith(OTHERS)]
    assert users == ["tests/serving.py"]
