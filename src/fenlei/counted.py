"""Numbers in sentences."""


def counted(number: int, one: str, many: str) -> str:
    """The number with its words: `1 row is`, `1,234 rows are`."""
    return f"{number:,} {one if number == 1 else many}"
