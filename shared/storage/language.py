"""The part of MongoDB's language that stores may use, checked before either twin sees it: what is not promised is refused."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from shared.errors import BadInput
from shared.storage.port import Change, Read, ServerNow, Update, Where

ORDER = frozenset({"$gt", "$gte", "$lt", "$lte"})
FILTERS = ORDER | {"$eq", "$ne", "$in", "$nin", "$exists", "$regex"}
CHANGES = frozenset({"$set", "$unset", "$inc", "$push", "$setOnInsert", "$max"})
BESIDE_SERVER_NOW = frozenset({"$set", "$unset"})
NOT_IN_AN_UPSERT = frozenset({"$or", "$text", "$in"})
DIRECTIONS = (1, -1)
NO_MAPPINGS = frozenset({str, int, float, datetime})


def is_operators(condition: Any) -> bool:
    """Whether a condition is made of operators rather than being a document to be equal to."""
    if not condition or type(condition) in NO_MAPPINGS:
        return False
    return isinstance(condition, (dict, Mapping)) and any(str(key).startswith("$") for key in condition)


def check_docs(docs: Iterable[Mapping[str, Any]]) -> None:
    """Raises BadInput for a document whose _id is no string: ids are given by us, and say where their bearer belongs."""
    for doc in docs:
        _expect(isinstance(doc.get("_id"), str), "a document needs a string as its _id, not {!r}", doc.get("_id"))


def check_where(where: Where) -> None:
    """Raises BadInput that names what the filter language does not have."""
    for key, condition in where.items():
        if key == "$or":
            _expect(isinstance(condition, (list, tuple)) and bool(condition), "$or takes a list of filters, one at least")
            for part in condition:
                check_where(part)
        elif key == "$text":
            _expect(isinstance(condition, Mapping) and set(condition) == {"$search"}, "$text takes {{'$search': words}}")
        elif key.startswith("$"):
            raise BadInput(f"{key} is not part of the port's filter language")
        elif is_operators(condition):
            for operator, operand in condition.items():
                _check_operand(operator, operand)
        else:
            _expect(not isinstance(condition, ServerNow), "ServerNow is compared by $lt and $lte only")


def check_reading(fields: Sequence[str], sort: Sequence[tuple[str, int]], *, limit: int = 0, skip: int = 0) -> None:
    """Raises BadInput that names what is wrong with what is to be read: its fields, their order, or how many."""
    _check_fields(tuple(fields))
    for path, direction in sort:
        _check_path(path)
        _expect(direction in DIRECTIONS, "{} is sorted by 1 or -1, not by {!r}", path, direction)
    _expect(limit >= 0 and skip >= 0, "limit and skip are 0 or more")


def check_reads(reads: Sequence[Read]) -> None:
    """Raises BadInput that names what cannot be read in turn."""
    for one in reads:
        check_where(one.where)
        check_reading(one.fields, one.sort, limit=one.limit)
        _expect("$text" not in one.where, "words are looked for by find alone, not beside other reads")


def check_grouping(field: str) -> None:
    """Raises BadInput for what documents cannot be counted by."""
    _check_path(field)
    _expect("." not in field, "documents are counted by a field of their own, not by {}", field)


def check_update(update: Update) -> None:
    """Raises BadInput that names what is wrong with the filter or the change."""
    check_where(update.where)
    check_change(update.change)
    if update.upsert:
        _expect(isinstance(update.where.get("_id"), str), "an upsert names the _id of its document")
        words = {key for part in (update.where, *update.where.values()) if isinstance(part, Mapping) for key in part}
        _expect(not words & NOT_IN_AN_UPSERT, "the filter of an upsert has none of {}", ", ".join(sorted(NOT_IN_AN_UPSERT)))


def check_change(change: Change) -> None:
    """Raises BadInput that names what the change language does not have, or the field that two operators would change."""
    _expect(bool(change), "a change has one operator at least")
    for operator, fields in change.items():
        _expect(operator in CHANGES, "{} is not part of the port's change language", operator)
        for path, value in fields.items():
            _check_target(path)
            if is_operators(value):
                raise BadInput(f"{operator} of {path}: a value cannot hold operators")
            if operator != "$set" and isinstance(value, ServerNow):
                raise BadInput(f"ServerNow goes into $set, not into {operator}")
            if operator == "$inc" and not _is_number(value):
                raise BadInput(f"$inc of {path} takes a number, not {value!r}")
    _check_conflicting(tuple(path for fields in change.values() for path in fields))
    if any(isinstance(value, ServerNow) for value in change.get("$set", {}).values()):
        _expect(set(change) <= BESIDE_SERVER_NOW, "only {} can stand beside ServerNow", ", ".join(sorted(BESIDE_SERVER_NOW)))
        inside = [path for fields in change.values() for path in fields if "." in path]
        _expect(not inside, "beside ServerNow whole fields are changed, not {}", ", ".join(inside))


def _check_operand(operator: str, operand: Any) -> None:
    _expect(operator in FILTERS, "{} is not part of the port's filter language", operator)
    if operator in ORDER:
        _expect(operand is not None, "{} takes a value to compare with, not null", operator)
    _expect(
        operator in ("$lt", "$lte") or not isinstance(operand, ServerNow), "ServerNow is compared by $lt and $lte only, not by {}", operator
    )
    if operator in ("$in", "$nin"):
        _expect(isinstance(operand, (list, tuple)), "{} takes a list, not {}", operator, type(operand).__name__)
    if operator == "$exists":
        _expect(isinstance(operand, bool), "$exists takes true or false")
    if operator == "$regex":
        _expect(isinstance(operand, str) and "\0" not in operand, "$regex takes a pattern as a string")


@lru_cache(maxsize=1_024)
def _check_fields(fields: tuple[str, ...]) -> None:
    for path in fields:
        _check_path(path)
    _check_conflicting(tuple({"_id": None} | dict.fromkeys(fields)))


@lru_cache(maxsize=4_096)
def _check_target(path: str) -> None:
    _check_path(path)
    parts = path.split(".")
    _expect(parts[0] != "_id", "{} cannot be changed", path)
    _expect(not any(part.isdigit() for part in parts), "{}: no single element of an array is changed", path)


@lru_cache(maxsize=4_096)
def _check_path(path: str) -> None:
    _expect(all(part and not part.startswith("$") for part in path.split(".")), "{!r} names no field", path)


@lru_cache(maxsize=4_096)
def _check_conflicting(paths: tuple[str, ...]) -> None:
    ordered = sorted(path.split(".") for path in paths)
    for one, other in pairwise(ordered):
        _expect(other[: len(one)] != one, "{} and {} cannot be changed at once", ".".join(one), ".".join(other))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _expect(condition: bool, otherwise: str, *named: Any) -> None:
    """`named` fills the places of the text, only where it is needed: this is asked of every value that is written."""
    if not condition:
        raise BadInput(otherwise.format(*named))
