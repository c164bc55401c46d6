"""How durations, sizes and counts are said to people, on pages and in terminals alike."""

MINUTE, HOUR, TENTHS = 60.0, 3_600.0, 10.0
KILO = 1_024


def duration(seconds: float) -> str:
    """`40 ms`, `3.2 s`, `75 s` as `1 min 15 s`, `2 h 03 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if round(seconds) < MINUTE:
        return f"{seconds:.1f} s" if seconds < TENTHS else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < HOUR / MINUTE:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def size(count: int) -> str:
    """Bytes as `512 B`, `1.5 KiB`, `20 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < KILO:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= TENTHS else f"{amount:.1f} {unit}"
        amount /= KILO
    return f"{amount:.1f} GiB"


def count_of(number: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
