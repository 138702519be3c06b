"""The scripts of others that clerp ships."""

import hashlib
import json
import re
from pathlib import Path

import pytest

import clerp.frontend
from clerp.frontend.scripts import SCRIPTS

VENDOR = Path(clerp.frontend.__file__).parent / "vendor"
BROWSER = Path(__file__).parents[2] / "browser"
_ROW = re.compile(r"\| (\S+) \| (\S+) \| (\S+) \| (\S+) \| ([0-9a-f]{64}) \|")
ROWS = _ROW.findall((VENDOR / "README.md").read_text("utf-8"))
# Those that stand inside of others.
INSIDE = {
    *("d3-ease", "d3-scale-chromatic", "delaunator", "internmap", "robust-predicates"),
    *("graphlib", "lodash"),
}


def test_every_file_is_listed_and_used():
    listed = {row[0] for row in ROWS}
    assert listed == {path.name for path in VENDOR.iterdir() if path.suffix in (".js", ".cjs")}
    assert listed == {file for script in SCRIPTS.values() if script for file in script.files}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_file_is_that_of_its_package(row: tuple[str, ...]):
    name, package, version, licence, digest = row
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == digest
    locked = json.loads((BROWSER / "package-lock.json").read_text("utf-8"))
    assert locked["packages"][f"node_modules/{package}"]["version"] == version
    assert locked["packages"][f"node_modules/{package}"].get("license", licence) == licence
    installed = BROWSER / "node_modules" / package
    if not installed.is_dir():
        pytest.skip("the packages are from make browser")
    (origin,) = [path for path in installed.glob(f"*/{name}") if path.is_file()]
    assert origin.read_bytes() == (VENDOR / name).read_bytes()
    assert (installed / "LICENSE").read_bytes() == (
        VENDOR / "licences" / f"{package}.txt"
    ).read_bytes()


def test_the_licence_of_every_package_is_there():
    packages = {row[1] for row in ROWS} | INSIDE
    assert {path.stem for path in (VENDOR / "licences").iterdir()} == packages
    text = (VENDOR / "README.md").read_text("utf-8")
    assert all(package in text for package in packages)
    assert all(path.read_text("utf-8").strip() for path in (VENDOR / "licences").iterdir())
