"""Text that spreadsheets must not take for a formula."""

# Of either width, as spreadsheets read them.
_MARK = "'"
_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "＝", "＋", "－", "＠")


def disarm(cell: str) -> str:
    """Put an apostrophe before what spreadsheets would run; they show the rest as text."""
    return f"{_MARK}{cell}" if cell.startswith(_ACTIVE) else cell


def rearm(cell: str) -> str:
    """Take the apostrophe away again."""
    return cell.removeprefix(_MARK)
