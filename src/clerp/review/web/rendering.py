"""Templates of the page."""

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clerp.review.web.assets import read_assets
from clerp.review.web.escapes import mark_up, spell_out


def render(name: str, context: Mapping[str, object]) -> str:
    """Render a template.

    Args:
        name: Of the file.
        context: What it shows. Text is escaped, in attributes too, and what is not seen in it is
            spelled out.
    """
    return _open_templates().get_template(name).render(context)


@cache
def _open_templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("clerp.review.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=_finalize,
    )
    templates.filters["visible"] = mark_up  # pyright: ignore[reportUnknownMemberType]
    templates.globals["assets"] = read_assets()  # pyright: ignore[reportUnknownMemberType]
    return templates


def _finalize(value: object) -> object:
    return spell_out(value) if isinstance(value, str) and not isinstance(value, Markup) else value
