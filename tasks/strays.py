"""Files that lie beside the dated ones under names that no date has: most often a date written another way."""

import os
from heapq import nsmallest
from itertools import islice
from pathlib import Path

from plimsoll.feed_config import Feed
from plimsoll.model_config import ModelConfig
from tasks.workspace import Workspace

MOST_ENTRIES = 20_000  # of a folder that are looked at
SHOWN = 3
DATED = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"


def no_batch(workspace: Workspace, config: ModelConfig, date: str) -> str:
    """Return in a sentence that a date has no batch: which file was looked for, and what else lies there."""
    feed, said = config.source, f"No batch of {config.model} for {date} at {config.source.where}. Was it exported?"
    if not _is_local(feed):
        return said
    folder = workspace.data / str(feed.path)
    if not date:
        return f"The table of {config.model} is not there: {folder}. Was it exported?"
    said = (
        f"No batch of {config.model} for {date}: {folder / f'{date}.{feed.file_format}'} is not there. Was it exported?"
    )
    return said if folder.is_dir() else f"{said} The folder itself is not there."


def stray_files(workspace: Workspace, feed: Feed) -> str:
    """Return a sentence that names files of a feed's folder that no date has, the first few; empty without any."""
    if not _is_local(feed) or not feed.dated or not (folder := workspace.data / str(feed.path)).is_dir():
        return ""
    with os.scandir(folder) as entries:
        names = [one.name for one in islice(entries, MOST_ENTRIES) if _is_stray(one.name, feed.file_format)]
    if not names:
        return ""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (
        f" There also {'is' if len(names) == 1 else 'are'} {', '.join(nsmallest(SHOWN, names))}{more}, which no date "
        f"has: name files like 2026-11-03.{feed.file_format}."
    )


def _is_local(feed: Feed) -> bool:
    return feed.path is not None and "://" not in feed.path


def _is_stray(name: str, file_format: str) -> bool:
    return name[0] not in "._" and not Path(name).match(f"{DATED}.{file_format}")
