"""Where a ledger is, as it may be shown."""

import re

# What is not of this form is not shown, so that no password hides in what was read wrongly.
_URL = re.compile(
    r"""
    (?P<user>[\w+]+:// [^:@/?]*)
    (?P<password>:[^@]* (?=@))?
    (?P<host>@? (?:\[[\da-f:.]+\] | [^:@/?]*) (?::\d*)? (?:/[^@?]*)?)
    (?P<query>\?[^@]*)?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MISTYPED_URL = re.compile(
    r"""
    postgres.*:            # postgresql:user:...
    | [\w+]{2,}:/          # mysql:/user...
    | (?![A-Za-z]:[\\/])   # a drive of Windows is none
      .*:.*@               # user:password@host
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def mask_password(url_or_path: str) -> str:
    """Show the place of a ledger without the password that it may hold.

    A URL loses its password and the values after `?`, where drivers take passwords too. Of what
    looks like a URL but cannot be read as one, only what stands before the first colon is left.

    Args:
        url_or_path: A path, `:memory:` or a URL, well formed or not.
    """
    if "://" not in url_or_path and not _MISTYPED_URL.match(url_or_path):
        return url_or_path
    url = _URL.fullmatch(url_or_path)
    if url is None:
        return f"{url_or_path.partition(':')[0]}:***"
    password = ":***" if url["password"] else ""
    query = "?***" if url["query"] else ""
    return f"{url['user']}{password}{url['host']}{query}"
