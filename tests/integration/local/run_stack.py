"""`taskgrove up` with services that are not the real ones: the process that the tests signal and kill."""

import asyncio
import json
import os
import sys
from pathlib import Path

from taskgrove.local.serve import forever, serve
from taskgrove.local.supervisor import LocalStack

asyncio.run(serve(LocalStack(Path(sys.argv[1]), commands=json.loads(os.environ["FAKE_COMMANDS"])), forever))
