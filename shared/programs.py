"""Which files are made to be run: content is all that is kept of a file, no permissions."""

STARTS = (b"#!", b"\x7fELF")


def is_program(start: bytes) -> bool:
    """Whether a file that starts like this is a script or a program."""
    return start.startswith(STARTS)
