"""Text that spreadsheets must not take for a formula."""

# Of either width, as spreadsheets read them.
_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "'", "＝", "＋", "－", "＠")


def disarm(cell: str) -> str:
    """Put an apostrophe before what spreadsheets would run; they show the rest as text."""
    return f"'{cell}" if cell.startswith(_ACTIVE) else cell
