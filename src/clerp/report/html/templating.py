"""Templates in which all text is escaped, and what is not seen in it is spelled out."""

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clerp.report.html.escapes import mark_up, spell_out


def open_templates(package: str) -> Environment:
    """Open the templates of a package.

    Args:
        package: Which has a folder `templates`. Text is escaped in them, in attributes too; the
            filter `visible` marks what is not seen.
    """
    templates = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_finalize,
    )
    templates.filters["visible"] = mark_up  # pyright: ignore[reportUnknownMemberType]
    return templates


def _finalize(value: object) -> object:
    return spell_out(value) if isinstance(value, str) and not isinstance(value, Markup) else value
