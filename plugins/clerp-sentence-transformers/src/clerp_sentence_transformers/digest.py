"""sha256 of files and folders."""

import hashlib
from pathlib import Path


def digest_file(path: Path) -> str:
    """Hash a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_folder(folder: Path) -> str:
    """Hash the names and contents of all files but the hidden ones, in hex."""
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    digest = hashlib.sha256()
    for name in names:
        if not any(part.startswith(".") for part in name.split("/")):
            digest.update(f"{name}\0{digest_file(folder / name)}\n".encode())
    return digest.hexdigest()
