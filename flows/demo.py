"""The demo: one model's life on real flights, told in the order in which it happened.

Every step is the real flow against a real Prefect server; only the calendar is simulated, and one night's
feed is cut. The dates are not chosen for effect: the story stops at the night the policy decides.
"""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from flows.demo_data import lay_out_flights
from flows.demo_story import Story, tell_story
from flows.output import print_json, say
from plimsoll.errors import UserError
from tasks.workspace import Workspace, open_workspace

MARKER = "DEMO"  # a home that carries it was made by the demo and may be replaced by the next one


def run_demo(as_json: bool) -> None:
    """Run the whole story from an empty home and leave its history for `make up`.

    Raises UserError when the home holds work that is not the demo's, or is in use.
    """
    take_home(open_workspace())
    workspace = free_port_if_taken(open_workspace())
    story = Story(as_json)
    with servers(workspace, story):
        tell_story(workspace, story)
    index = workspace.reports / "index.html"
    story.tell(None, f"Done. Open {index}")
    if as_json:
        return print_json({"seconds": story.told[-1]["seconds"], "index": str(index), "story": story.told})
    say("\nNext: `.venv/bin/plimsoll approver add you`, with any authenticator app, gives you a code.")
    return say("Then `make up`, and open the approval that waits for you in the Prefect UI.")


def take_home(workspace: Workspace) -> None:
    """Begin with an empty home; what an earlier demo left is kept beside it, once."""
    from tasks.process_groups import refuse_second, stop_orphans

    home = workspace.home
    if home.exists() and any(home.iterdir()) and not (home / MARKER).exists():
        raise UserError(
            f"{home} holds runs that are not the demo's, and the demo begins with an empty home. "
            "Give it another: PLIMSOLL_HOME=.plimsoll-demo make demo"
        )
    if home.exists():
        refuse_second(home)
        stop_orphans(home)
        previous = home.with_name(f"{home.name}.previous")
        shutil.rmtree(previous, ignore_errors=True)
        home.replace(previous)
    try:
        home.mkdir(parents=True)
        (home / MARKER).write_text("Made by `plimsoll demo`; the next demo moves it aside.\n")
    except OSError as error:
        raise UserError(f"Cannot write to {home}: {error.strerror}. Set PLIMSOLL_HOME to another folder.") from None


@contextmanager
def servers(workspace: Workspace, story: Story) -> Iterator[None]:
    """Run Prefect and a worker around the story, while the data is laid out beside their start."""
    from tasks.processes import Fleet
    from tasks.servers import drain, prefect_server, prefect_workers

    ships = Fleet(workspace.home)
    try:
        story.begin("Starting Prefect, and laying out the flights of 2013 as nightly exports")
        side = threading.Thread(target=lay_out_flights, args=(workspace.data,))
        side.start()
        threading.Thread(target=_warm_up, daemon=True).start()
        ships.start(prefect_server(workspace))
        use_prefect(workspace)
        from flows.deploy import deploy

        deploy(workspace)
        ships.start(*prefect_workers(workspace))
        side.join()
        exports = len(list((workspace.data / "flights").iterdir()))
        story.tell(None, f"Prefect is up; {exports} nightly exports lie in {workspace.data}.")
        yield
    finally:
        ships.stop(partial(drain, workspace.platform.api_url))


def free_port_if_taken(workspace: Workspace) -> Workspace:
    """Return the workspace with a free Prefect port where another program has the configured one."""
    from plimsoll.errors import ServerError
    from tasks.processes import check_port, free_port
    from tasks.servers import prefect_server

    try:
        check_port(prefect_server(workspace))
    except ServerError:
        os.environ["PLIMSOLL_PREFECT__PORT"] = str(free_port())
    return open_workspace()


def use_prefect(workspace: Workspace) -> None:
    """Point this process at the demo's server, quietly."""
    from tasks.servers import quiet_console, telemetry_off

    os.environ.update({**telemetry_off(), **quiet_console(), "PREFECT_API_URL": workspace.platform.api_url})
    os.environ["PREFECT_HOME"] = str(workspace.home / "prefect")


def _warm_up() -> None:
    """Import what is slow while the server starts."""
    import evidently  # noqa: F401
    import great_expectations  # noqa: F401
    import mlflow  # noqa: F401
    import xgboost  # noqa: F401
