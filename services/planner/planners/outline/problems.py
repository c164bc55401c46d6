"""All that is wrong with some notes, collected, so that a person mends everything in one go."""

from shared.errors import NotesError

# What a person quotes in the notes may be a whole book; both ends of the message are kept.
LONGEST = 2_000


class Problems:
    """Problems by place: each one line, `file:line: what; way out`."""

    def __init__(self, files: list[str]) -> None:
        self._rank = {name: rank for rank, name in enumerate(files)}
        self._found: list[tuple[int, int, str]] = []

    def add(self, file: str, line: int, message: str) -> None:
        """Note a problem; the message ends with its way out."""
        if len(message) > LONGEST:
            message = f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"
        self._found.append((self._rank[file], line, f"{file}:{line}: {message}"))

    def refuse_if_any(self) -> None:
        """Raises NotesError with all problems in the order of the notes."""
        if self._found:
            raise NotesError([text for _, _, text in sorted(self._found)])
