"""Demo

`plimsoll demo --json` as a new process in an empty home, after installation: servers, data, story and pages.
"""

import json
import tempfile
from collections.abc import Iterator

from benchmarks.children import environment, run_command
from benchmarks.figures import Figure, at_most, plain
from tasks.processes import free_port

GOAL_SECONDS = 180


def measure(full: bool) -> Iterator[Figure]:  # noqa: ARG001  # the demo has one size
    """Yield the seconds of the whole demo, and those until its servers are up and its data is laid out."""
    with tempfile.TemporaryDirectory() as folder:
        with environment({"PLIMSOLL_HOME": f"{folder}/home", "PLIMSOLL_PREFECT__PORT": str(free_port())}):
            seconds, printed = run_command("demo", "--json")
        told = json.loads(printed)["story"]
    yield at_most("plimsoll demo", seconds, "s", GOAL_SECONDS)
    yield plain("of it, until Prefect is up and the data is laid out", told[0]["seconds"], "s")
