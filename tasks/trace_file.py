"""A trace as a page on disk."""

from pathlib import Path
from typing import Any

from plimsoll.errors import FolderError
from plimsoll.trace_page import render_trace
from tasks.pages import write_page
from tasks.records import utc_now
from tasks.workspace import Workspace


def write_trace(workspace: Workspace, found: dict[str, Any], path: Path) -> Path:
    """Write the page about one prediction and return its path; FolderError where it cannot be written."""
    purpose = workspace.model(found["prediction"]["model"]).purpose
    html = render_trace(found, f"Written {utc_now()[:19].replace('T', ' ')} UTC by plimsoll trace.", purpose)
    try:
        return write_page(path, html)
    except OSError as error:
        raise FolderError(f"Cannot write the page {path}: {error.strerror}. Name another file.") from None
