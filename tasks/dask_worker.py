"""What every Dask worker loads when it starts: `dask worker … --preload tasks.dask_worker`.

The code that a worker has loaded is that of its start, whatever is checked out meanwhile; so it looks at it then.
"""

from typing import Any

from plimsoll.errors import PlimsollError
from plimsoll.run_record import require_record
from tasks.partition import Footing, footing_here, require_footing, workspace_here


def dask_setup(_worker: Any) -> None:
    """Note which code, packages and places this worker has; Dask calls it before the worker takes any work."""
    footing_here()


def objection(wanted: Footing, run_id: str) -> str:
    """Return what keeps this worker from scoring for a run, in a sentence; nothing when it may.

    That its store holds the run's record proves that both write to the same one.
    """
    if not footing_here.cache_info().currsize:
        return "It was started without --preload tasks.dask_worker, so nothing is known of the code that it has loaded."
    try:
        require_footing(wanted)
        require_record(workspace_here().archive, run_id)
    except PlimsollError as error:
        return str(error)
    return ""
