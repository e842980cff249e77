"""The page about a candidate."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from plimsoll.bundle import Bundle
from tasks.candidates import Report, page_path
from tasks.records import Run


@task(cache_policy=NO_CACHE)
def publish_candidate(run: Run, version: int, bundle: Bundle, report: Report) -> str:
    """Write the candidate's page and return its path."""
    path = page_path(run, version)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("<!doctype html>")
    return str(path)
