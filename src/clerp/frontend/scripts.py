"""The scripts that circuit-tracer's page asks other hosts for, and what answers here."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType

_ANTHROPIC = "https://transformer-circuits.pub/2025/attribution-graphs/static_js/lib"

# Run as a script, d3-jetpack's build puts itself in the place of d3. It wants d3-collection, which
# d3 has dropped and which would hide functions of d3 that have the same names.
_JETPACK_ON_D3 = r"""(() => {
  const collection = {};
  (function (exports, module) {
%s
  })(collection, {});
  (function (exports, module, require) {
%s
  })(d3, {}, (name) => (name === "d3-collection" ? collection : d3));
  // The page's own build of jetpack can draw axes from what conventions() returns.
  const conventions = d3.conventions;
  d3.conventions = (wanted) => {
    const made = conventions(wanted);
    made.drawAxis = (svg) => d3.drawAxis({ ...made, svg });
    return made;
  };
  // The page's tooltip takes labels for markup, and lists of values while a meta key is down. No
  // policy keeps markup from leading to another page.
  const html = d3.selection.prototype.html;
  const disarm = (markup) =>
    /<\s*(?:meta|link|base)/i.test(markup) ? markup.replaceAll("<", "&lt;") : markup;
  d3.selection.prototype.html = function (given) {
    if (typeof given === "function")
      return html.call(this, function () { return disarm(given.apply(this, arguments)); });
    if (typeof given !== "string") return html.apply(this, arguments);
    if (this.empty() || !this.classed("tooltip")) return html.call(this, disarm(given));
    const isList = window.event && window.event.metaKey;
    const lines = given.replaceAll("</div>", "\n").replace(/<\/?(?:div|b)>/g, "");
    return this.style("white-space", "pre-line").text(isList ? lines : given);
  };
})();
"""


@dataclass(frozen=True, slots=True)
class Script:
    """Files of `vendor/`, and what they are put into."""

    name: str
    """Under which it is served."""
    files: tuple[str, ...]
    frame: str = "%s"

    def read(self) -> bytes:
        """Return the script."""
        folder = files("clerp.frontend").joinpath("vendor")
        return (
            self.frame % tuple(folder.joinpath(f).read_text("utf-8") for f in self.files)
        ).encode()


SCRIPTS: Mapping[str, Script | None] = MappingProxyType(
    {
        f"{_ANTHROPIC}/d3.js": Script("d3.js", ("d3.min.js",)),
        f"{_ANTHROPIC}/jetpack_2024-07-20.js": Script(
            "jetpack.js", ("d3-collection.min.js", "d3-jetpack.cjs"), _JETPACK_ON_D3
        ),
        "https://unpkg.com/dagre@0.8.5/dist/dagre.min.js": Script("dagre.js", ("dagre.min.js",)),
        f"{_ANTHROPIC}/hotserver-client-ws.js": None,
        f"{_ANTHROPIC}/npy_v0.js": None,
        "https://unpkg.com/pako@2.1.0/dist/pako.min.js": None,
    }
)
"""By address; None for those that nothing on the page calls as clerp serves it."""
