"""Pages on disk: each is there whole or not at all."""

import errno
import os
import secrets
from pathlib import Path

from tasks.workspace import Workspace


def write_page(path: Path, html: str) -> Path:
    """Write a page through a partial file and return its path; OSError where there can be no such file."""
    if not path.name or path.is_dir():  # /, . and nothing at all have no name
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")  # runs of all models write one list
    try:
        partial.write_text(html, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def written_pages(workspace: Workspace) -> frozenset[str]:
    """Return the pages under reports/ that exist, as relative paths."""
    root = workspace.reports
    return frozenset(path.relative_to(root).as_posix() for path in root.rglob("*.html"))


def report_url(workspace: Workspace, path: Path) -> str:
    """Return the address of a page of the reports folder, as people see it."""
    return f"{workspace.platform.reports_address}/{path.relative_to(workspace.reports).as_posix()}"
