"""Templates of the page."""

from collections.abc import Mapping
from functools import cache

from jinja2 import Environment

from clerp.report.html.templating import open_templates
from clerp.review.web.assets import read_assets


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
    templates = open_templates("clerp.review.web")
    templates.globals["assets"] = read_assets()  # pyright: ignore[reportUnknownMemberType]
    return templates
