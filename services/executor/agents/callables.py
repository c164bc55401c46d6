"""The functions that tasks may call, by name: the ones below, those of the modules that are configured, and entry points."""

import asyncio
import difflib
import importlib
import inspect
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from shared.errors import AgentFailed, BadInput
from shared.plugins import entry_points

GROUP = "taskgrove.callables"
MARK = "__taskgrove_callable__"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Mark:
    """What the decorator leaves on a function."""

    name: str
    pool: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """A function with what must be known to call it."""

    name: str
    function: Callable[..., Any]
    signature: inspect.Signature
    is_async: bool
    pool: bool
    wants_work: bool
    refuse_others: Callable[[frozenset[str]], object]
    """Raises TypeError where it cannot be called with arguments of these names."""


def callable_(name: str | None = None, *, pool: bool = False) -> Callable[[Function], Function]:
    """Offer a function to tasks. It may be async; `pool` runs it in a process of its own, which suits what computes and can be killed.

    It gets the task's `args` by keyword and, if it has a parameter `work`, the Work; not in a pool. It may give back a dict (data),
    text (the summary), None, a Result, TooBig or Asks. The decorator only marks: who imports the module decides whether it is offered.
    """

    def mark(function: Function) -> Function:
        setattr(function, MARK, Mark(name or function.__name__, pool))
        return function

    return mark


class Callables:
    """All functions that this executor offers."""

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._registered: dict[str, Registered] = {}
        for module in (__name__, *modules):
            self._add_module(module)
        for point in entry_points(group=GROUP):
            self._add(point.name, _loaded(point.value, point.load), pool=False)

    def find(self, name: str) -> Registered:
        """The function of that name. Raises AgentFailed that gives the nearest names."""
        found = self._registered.get(name)
        if not found:
            near = difflib.get_close_matches(name, self._registered, n=3) or sorted(self._registered)[:10]
            message = f"this executor offers no function {name!r}; the nearest are: {', '.join(near)}"
            raise AgentFailed(message, code="unknown_callable", permanent=True)
        return found

    def _add_module(self, name: str) -> None:
        module = _loaded(name, lambda: importlib.import_module(name))
        for function in vars(module).values():
            mark = getattr(function, MARK, None)
            if isinstance(mark, Mark) and function.__module__ == name:
                self._add(mark.name, function, pool=mark.pool)

    def _add(self, name: str, function: Callable[..., Any], *, pool: bool) -> None:
        mark = getattr(function, MARK, None)
        pool = pool or (isinstance(mark, Mark) and mark.pool)
        signature = inspect.signature(function)
        wants_work = "work" in signature.parameters
        is_async = inspect.iscoroutinefunction(function)
        if name in self._registered:
            raise BadInput(f"two functions are offered as {name!r}; rename one, by @callable_({name!r}) or in the entry points")
        if pool and (wants_work or is_async):
            raise BadInput(f"the function {name!r} is marked pool=True: it can be neither async nor take `work`, both stay in the executor")
        # Binding is slow, and depends on the names alone; what is refused is not remembered.
        refuse_others = lru_cache(maxsize=64)(lambda names: signature.bind(**dict.fromkeys(names)))
        self._registered[name] = Registered(name, function, signature, is_async, pool, wants_work, refuse_others=refuse_others)


def _loaded(name: str, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except (ImportError, AttributeError) as error:
        raise BadInput(f"the functions of {name!r} cannot be loaded: {error}; install the package or leave it out") from error


@callable_()
async def noop() -> None:
    """Nothing: what a task costs by itself."""


@callable_()
async def sleep(seconds: float) -> dict[str, float]:
    """Wait."""
    await asyncio.sleep(seconds)
    return {"slept": seconds}


@callable_()
async def echo(**args: Any) -> dict[str, Any]:
    """Give back what was given."""
    return args


@callable_()
async def fail(message: str = "told to fail", permanent: bool = False) -> None:
    """Fail, with this message."""
    raise AgentFailed(message, permanent=permanent)


@callable_(pool=True)
def burn(seconds: float) -> dict[str, float]:
    """Keep one processor busy."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        continue
    return {"burned": seconds}
