"""The port's filter language over plain dictionaries: paths, arrays, missing and null as MongoDB has them."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from shared.errors import BadInput
from shared.memory.values import is_nan, kind, order, same, stored
from shared.storage.language import is_operators
from shared.storage.port import Doc, ServerNow, Where

MISSING = object()
EMPTY_ARRAY = (-1, 0)
PHRASE = re.compile(r'"([^"]*)"')
UNWANTED = re.compile(r"(?:^|\s)-(\w+)")
WORD = re.compile(r"\w+")

Test = Callable[[Sequence[Any], Any], bool]


def matches(doc: Doc, where: Where, now: datetime) -> bool:
    """Whether `doc` satisfies `where`, which was resolved, at the server's time `now`."""
    for key, condition in where.items():
        if key == "$or":
            if not any(matches(doc, part, now) for part in condition):
                return False
        elif key == "$text":
            if not _has_words(doc, condition["$search"]):
                return False
        elif not _field_matches(list(leaves(doc, key)) if "." in key else [doc.get(key, MISSING)], condition):
            return False
    return True


def resolved(where: Where, now: datetime) -> Doc:
    """`where` as the server understands it: values as they are stored, and its own time for ServerNow."""
    return {key: [resolved(part, now) for part in value] if key == "$or" else _resolved(value, now) for key, value in where.items()}


def moment(value: Any, now: datetime) -> Any:
    """The server's time for ServerNow; any other value as it is."""
    return now + timedelta(seconds=value.seconds) if isinstance(value, ServerNow) else value


def leaves(doc: Any, path: str, *, sorting: bool = False) -> Iterator[Any]:
    """Every value under a dotted path. Arrays on the way are entered, MISSING stands for each place where the path ends early.

    An element that is no document is passed over; only a sort takes it for a null.
    """
    head, _, rest = path.partition(".")
    if not isinstance(doc, dict) or head not in doc:
        yield MISSING
    elif not rest:
        yield doc[head]
    elif isinstance(doc[head], list):
        yield from _through(doc[head], rest, sorting)
    else:
        yield from leaves(doc[head], rest, sorting=sorting)


def sort_value(doc: Doc, path: str, direction: int) -> tuple[int, Any]:
    """What a document is sorted by: the least element of an array, or the greatest when descending; an empty array comes first."""
    found = list(leaves(doc, path, sorting=True)) or [None]
    keys = [order(None if option is MISSING else option) for leaf in found for option in (leaf if isinstance(leaf, list) else [leaf])]
    return (min(keys) if direction > 0 else max(keys)) if keys else EMPTY_ARRAY


def array_in(doc: Doc, path: str) -> str | None:
    """The beginning of a path that is an array in this document; None: there is none on the way."""
    value: Any = doc
    parts = path.split(".")
    for length, part in enumerate(parts, 1):
        if not isinstance(value, dict) or part not in value:
            return None
        value = value[part]
        if isinstance(value, list):
            return ".".join(parts[:length])
    return None


def _through(array: list[Any], path: str, sorting: bool) -> Iterator[Any]:
    head = path.partition(".")[0]
    if head.isdigit() and int(head) < len(array):
        place = array[int(head)]
        whole = sorting and head == path and isinstance(place, list) and place  # an array in an array is no more than a value
        yield from [[place]] if whole else leaves({head: place}, path, sorting=sorting)
        if sorting:  # by its place alone: who filters looks for a field of that name in each element as well
            if any(isinstance(item, dict) and head in item for item in array):
                raise BadInput(f"documents cannot be sorted by {head!r}: in one of them it is a place in an array and a field in it")
            return
    for item in array:
        if isinstance(item, dict):
            yield from leaves(item, path, sorting=sorting)
        elif sorting:
            yield MISSING


def _resolved(condition: Any, now: datetime) -> Any:
    if is_operators(condition):
        if "$regex" in condition:
            _compiled(condition["$regex"])  # refused even where there is nothing to search
        return {operator: stored(moment(operand, now)) for operator, operand in condition.items()}
    return stored(condition)


def _field_matches(found: Sequence[Any], condition: Any) -> bool:
    if is_operators(condition):
        return all(OPERATORS[operator](found, operand) for operator, operand in condition.items())
    return _equal(found, condition)


def _options(found: Sequence[Any]) -> Iterator[Any]:
    for leaf in found:
        yield leaf
        if isinstance(leaf, list):
            yield from leaf


def _equal(found: Sequence[Any], wanted: Any) -> bool:
    if wanted is None:
        return any(option is None or option is MISSING for option in _options(found))
    return any(option is not MISSING and same(option, wanted) for option in _options(found))


def _in(found: Sequence[Any], wanted: Sequence[Any]) -> bool:
    if len(found) == 1 and isinstance(found[0], str):
        return found[0] in wanted
    return any(_equal(found, item) for item in wanted)


def _compare(test: Callable[[Any, Any], bool]) -> Test:
    def compare(found: Sequence[Any], bound: Any) -> bool:
        if is_nan(bound):
            return test(0, 0) and any(is_nan(option) for option in _options(found))
        rank, key = kind(bound), order(bound)
        return any(
            option is not MISSING and kind(option) == rank and not is_nan(option) and test(order(option), key) for option in _options(found)
        )

    return compare


def _regex(found: Sequence[Any], pattern: str) -> bool:
    expression = _compiled(pattern)
    return any(isinstance(option, str) and expression.search(option) for option in _options(found))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise BadInput(f"{pattern!r} is not a regular expression: {error}") from error


def _has_words(doc: Doc, search: str) -> bool:
    """All quoted phrases, any of the words, and none that has a minus before it. Forms of a word and stop words are a language's own."""
    text, asked = _plain(str(doc.get("message", ""))), _plain(search)
    words, phrases = set(WORD.findall(text)), PHRASE.findall(asked)
    unwanted = set(UNWANTED.findall(PHRASE.sub(" ", asked)))
    wanted = set(WORD.findall(UNWANTED.sub(" ", asked)))
    return not words.isdisjoint(wanted) and words.isdisjoint(unwanted) and all(phrase in text for phrase in phrases)


def _plain(text: str) -> str:
    """In small letters without accents."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(letter))


OPERATORS: dict[str, Test] = {
    "$in": _in,
    "$nin": lambda found, wanted: not _in(found, wanted),
    "$ne": lambda found, wanted: not _equal(found, wanted),
    "$eq": _equal,
    "$gt": _compare(lambda value, bound: value > bound),
    "$gte": _compare(lambda value, bound: value >= bound),
    "$lt": _compare(lambda value, bound: value < bound),
    "$lte": _compare(lambda value, bound: value <= bound),
    "$exists": lambda found, wanted: any(leaf is not MISSING for leaf in found) == wanted,
    "$regex": _regex,
}
