"""Names of a package that are imported when they are first used."""

from collections.abc import Callable, Mapping


def import_when_used(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package that imports its public names late (PEP 562).

    Args:
        package: Its `__name__`.
        homes: For each public name the module of the package that has it.
    """

    def find(name: str) -> object:
        from importlib import import_module

        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return find
