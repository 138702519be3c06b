"""The scripts that circuit-tracer's page asks other hosts for, and what answers here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

NODE_MODULES = Path(__file__).parent / "node_modules"

_ANTHROPIC = "https://transformer-circuits.pub/2025/attribution-graphs/static_js/lib"

# Run as a script, d3-jetpack's build puts itself in the place of d3. It wants d3-collection, which
# d3 has dropped and which would hide functions of d3 that have the same names.
_JETPACK_ON_D3 = """(() => {
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
})();
"""


@dataclass(frozen=True)
class Script:
    """Files of npm packages, and what they are put into; without files an empty script."""

    why: str
    files: tuple[str, ...] = ()
    frame: str = "%s"

    def read(self) -> str:
        if not self.files:
            return ""
        return self.frame % tuple((NODE_MODULES / file).read_text("utf-8") for file in self.files)


SCRIPTS: Mapping[str, Script] = {
    f"{_ANTHROPIC}/hotserver-client-ws.js": Script(
        "reloads the page while its authors edit it; nothing calls it"
    ),
    f"{_ANTHROPIC}/npy_v0.js": Script("reads .npy files, of which this page has none"),
    f"{_ANTHROPIC}/d3.js": Script("draws everything", ("d3/dist/d3.min.js",)),
    f"{_ANTHROPIC}/jetpack_2024-07-20.js": Script(
        "shorthands for d3, on every line of the page",
        ("d3-collection/dist/d3-collection.js", "d3-jetpack/build/d3-jetpack.cjs"),
        _JETPACK_ON_D3,
    ),
    "https://unpkg.com/dagre@0.8.5/dist/dagre.min.js": Script(
        "lays out the subgraph of pinned nodes", ("dagre/dist/dagre.min.js",)
    ),
    "https://unpkg.com/pako@2.1.0/dist/pako.min.js": Script(
        "unpacks the index and the records", ("pako/dist/pako.min.js",)
    ),
}
