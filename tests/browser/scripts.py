"""The scripts that circuit-tracer's page asks other hosts for, and what answers here."""

from pathlib import Path

from clerp.frontend.scripts import SCRIPTS

NODE_MODULES = Path(__file__).parent / "node_modules"
_PAKO = "https://unpkg.com/pako@2.1.0/dist/pako.min.js"


def find_script(address: str) -> bytes | None:
    """Return what answers for a script of another host; None for what is none that is known.

    Besides those of `clerp open` circuit-tracer's own server needs pako, which unpacks records.
    """
    if address == _PAKO:
        return (NODE_MODULES / "pako" / "dist" / "pako.min.js").read_bytes()
    if address not in SCRIPTS:
        return None
    script = SCRIPTS[address]
    return script.read() if script else b""
