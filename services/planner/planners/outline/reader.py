"""Reads one file of Markdown into sections. CommonMark decides what is a heading, a list or a fence; nothing is judged here."""

import textwrap
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from services.planner.planners.outline.frontmatter import blanked
from services.planner.planners.outline.pairs import is_key_list, split_pair
from services.planner.planners.outline.problems import Problems
from services.planner.planners.outline.section import ITEM_LEVEL, Block, Pair, Section, TaskList
from shared.contracts.plan import NotesFile
from shared.headings import Heading, addresses, headings, lines_of, plain

LANGUAGES = ("sh", "bash", "python")
LISTS = ("bullet_list", "ordered_list")
# markdown-it drops what lies deeper without a word, so whatever comes near it is refused by name.
DEEPEST = 100


def read(notes: NotesFile, problems: Problems) -> Section:
    """The file as a section of level 0 that holds its headings and, above the first of them, prose, keys, blocks and lists."""
    file = _Reader(notes.name, blanked(plain(notes.text)), problems).file()
    _address([section for section in file.walk() if section.level], headings(lines_of(notes.text)))
    return file


def _address(sections: Sequence[Section], found: Sequence[Heading]) -> None:
    """Those that all who read notes take for headings come first, so that the others' addresses change nothing about theirs."""
    by_line = {heading.line: heading.address for heading in found}
    others = [section for section in sections if section.line not in by_line]
    own = addresses((section.title for section in others), by_line.values())
    for section in sections:
        section.address = by_line.get(section.line, "")
    for section, address in zip(others, own, strict=True):
        section.address = address


class _Reader:
    def __init__(self, name: str, text: str, problems: Problems) -> None:
        self._name = name
        self._text = text
        self._lines = text.split("\n")
        self._problems = problems

    def file(self) -> Section:
        # Inline markup stays as written, and link definitions are text like any other.
        parser = MarkdownIt("commonmark", {"maxNesting": DEEPEST}).disable(["inline", "reference"])
        tokens = parser.parse(self._text)
        for token in tokens:
            if token.level >= DEEPEST - 2 and token.map:
                message = f"this is nested more than {DEEPEST // 2 - 1} lists deep; use headings, or files of their own"
                self._problem(token.map[0] + 1, message)
                self._problems.refuse_if_any()
        return self._outline(SyntaxTreeNode(tokens))

    def _outline(self, document: SyntaxTreeNode) -> Section:
        above = [self._section("", line=1, level=0)]
        for node in document.children:
            if node.type != "heading":
                self._take(node, above[-1])
                continue
            level = int(node.tag[1])
            while above[-1].level >= level:
                above.pop()
            heading = self._section(" ".join(_inline(node).split()), line=_line(node), level=level)
            heading.parent = above[-1]
            above[-1].headings.append(heading)
            above.append(heading)
        return above[0]

    def _take(self, node: SyntaxTreeNode, section: Section) -> None:
        if node.type in LISTS:
            self._take_list(node, section)
        elif node.type == "fence":
            self._take_fence(node, section)
        elif not (node.type == "html_block" and node.content.startswith("<!--")):
            section.body.append(self._source(node))

    def _take_fence(self, node: SyntaxTreeNode, section: Section) -> None:
        if not self._is_closed(node):
            self._problem(_line(node), f"this block is never closed; end it with a line {node.markup}")
        language = (node.info.split() or [""])[0].casefold()
        if language in LANGUAGES:
            section.blocks.append(Block(language, node.content, _line(node)))
        else:
            section.body.append(self._source(node))
            section.other_fences.append(language)

    def _take_list(self, node: SyntaxTreeNode, section: Section) -> None:
        ordered = node.type == "ordered_list"
        holds_blocks = any(child.type == "fence" for item in node.children for child in item.children)
        if is_key_list([_first_text(item) for item in node.children], ordered=ordered, holds_blocks=holds_blocks):
            for item in node.children:
                self._take_pair(item, section)
            return
        items: list[Section] = []
        for item in node.children:
            before = items[-1] if items else self._continued(node, section)
            items.append(self._item(item, section, follows=before if ordered else None))
        section.body.append(TaskList(self._source(node), ordered=ordered, items=items))

    def _continued(self, node: SyntaxTreeNode, section: Section) -> Section | None:
        """The item before the first one: a list that starts at 2 goes on with the ordered list that something interrupted."""
        lists = [part for part in section.body if isinstance(part, TaskList)]
        goes_on = node.attrs.get("start", 1) != 1 and lists and lists[-1].ordered
        return lists[-1].items[-1] if goes_on else None

    def _item(self, node: SyntaxTreeNode, parent: Section, *, follows: Section | None) -> Section:
        text = " ".join(_first_text(node).split())
        item = self._section(text, line=_line(node), level=ITEM_LEVEL)
        item.parent, item.follows = parent, follows
        for child in node.children[1 if text else 0 :]:
            self._take(child, item)
        return item

    def _take_pair(self, item: SyntaxTreeNode, section: Section) -> None:
        text, line = _first_text(item), _line(item)
        pair = split_pair(text)
        if pair is None:
            message = f"`{text}` stands among keys, but is not `key: value`; put tasks into a list of their own, with another bullet"
            self._problem(line, message)
            return
        key, value = pair
        rest = item.children[1:]
        if not value and rest:
            section.pairs += self._nested_values(key, rest.pop(0))
        else:
            section.pairs.append(Pair(key, value, line))
        for node in rest:
            if node.type in LISTS:
                self._problem(_line(node), f"this list is nested below `{key}`, which takes no list; indent it as far as `{key}` is")
            else:
                self._take(node, section)

    def _nested_values(self, key: str, node: SyntaxTreeNode) -> list[Pair]:
        """A key with nothing behind it takes the block, the items or the text below it."""
        if node.type in LISTS:
            return [Pair(key, _first_text(item), _line(item)) for item in node.children]
        value = node.content if node.type == "fence" else self._source(node)
        return [Pair(key, value.strip(), _line(node))]

    def _section(self, title: str, *, line: int, level: int) -> Section:
        if level and not title:
            self._problem(line, "there is a heading or an item without text; write its title or remove it")
        return Section(file=self._name, line=line, title=title, level=level)

    def _is_closed(self, node: SyntaxTreeNode) -> bool:
        first, end = _span(node)
        last = self._lines[end - 1].strip(" \t>")
        return end - first > 1 and last.startswith(node.markup) and not last.strip(node.markup[0])

    def _source(self, node: SyntaxTreeNode) -> str:
        first, end = _span(node)
        lines = self._lines[first:end]
        if node.type == "paragraph":
            return _inline(node)
        return textwrap.dedent("\n".join(lines)).strip("\n")

    def _problem(self, line: int, message: str) -> None:
        self._problems.add(self._name, line, message)


def _span(node: SyntaxTreeNode) -> tuple[int, int]:
    return node.map or (0, 0)


def _line(node: SyntaxTreeNode) -> int:
    return _span(node)[0] + 1


def _inline(node: SyntaxTreeNode) -> str:
    return "".join(child.content for child in node.children if child.type == "inline").strip()


def _first_text(item: SyntaxTreeNode) -> str:
    """What an item is called: the paragraph or heading that it begins with."""
    first = item.children[0] if item.children else None
    return _inline(first) if first is not None and first.type in ("paragraph", "heading") else ""
