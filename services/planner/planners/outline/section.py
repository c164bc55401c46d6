"""What the notes say, before it is judged: a tree of headings and list items, each with its prose, keys and blocks."""

from collections.abc import Iterator
from dataclasses import dataclass, field

# Below every heading.
ITEM_LEVEL = 7


@dataclass(frozen=True)
class Block:
    """A fenced block that can be run."""

    language: str
    text: str
    line: int


@dataclass(frozen=True)
class Pair:
    """One value given to a key, as written."""

    key: str
    value: str
    line: int


@dataclass(eq=False)
class TaskList:
    """A list whose items are tasks, unless the section runs something itself and they are bare: then it is text."""

    source: str
    ordered: bool
    items: list["Section"]


@dataclass(eq=False)
class Section:
    """A heading, a list item or a whole file. `follows` is the item before it in an ordered list; `level` 0 is a file."""

    file: str
    line: int
    title: str
    level: int
    parent: "Section | None" = None
    follows: "Section | None" = None
    body: list[str | TaskList] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    headings: list["Section"] = field(default_factory=list)
    other_fences: list[str] = field(default_factory=list)
    address: str = ""

    @property
    def reference(self) -> str:
        """Where it stands, for whoever looks it up: `file#address`, or the whole file."""
        return f"{self.file}#{self.address}" if self.address else self.file

    @property
    def is_item(self) -> bool:
        """Whether it is a list item."""
        return self.level == ITEM_LEVEL

    @property
    def runs(self) -> bool:
        """Whether it says itself how it is done."""
        return bool(self.blocks) or any(pair.key == "agent" for pair in self.pairs)

    @property
    def bare(self) -> bool:
        """Whether it and all below it is mere text."""
        return not self.blocks and not self.pairs and all(item.bare for listed in self._lists() for item in listed.items)

    @property
    def children(self) -> list["Section"]:
        """The tasks directly below it, in the order of the notes."""
        items = [item for listed in self._lists() if not self._is_text(listed) for item in listed.items]
        return items + self.headings

    @property
    def prose(self) -> str:
        """Its text, without what became keys, blocks or tasks."""
        texts = [part if isinstance(part, str) else part.source for part in self.body if isinstance(part, str) or self._is_text(part)]
        return "\n\n".join(texts)

    def walk(self) -> Iterator["Section"]:
        """It and all tasks below it."""
        yield self
        for child in self.children:
            yield from child.walk()

    def _lists(self) -> list[TaskList]:
        return [part for part in self.body if isinstance(part, TaskList)]

    def _is_text(self, listed: TaskList) -> bool:
        return self.runs and all(item.bare for item in listed.items)
