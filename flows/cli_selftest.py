"""The command that tests the judges: does drift alarm as often as stated, and what does it find?"""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_look import Json, Model
from flows.cli_verify import following
from flows.output import print_facts, print_json, print_table, say

if TYPE_CHECKING:
    from plimsoll.selftest_result import SelfTest


def add_commands(app: typer.Typer) -> None:
    """Add the self-test to the command line."""
    selftest_app = typer.Typer(help="Test on your own data what the nightly checks can promise.", no_args_is_help=True)
    selftest_app.command("drift")(drift)
    app.add_typer(selftest_app, name="selftest")


def drift(
    model: Model,
    one_in: Annotated[
        int | None, typer.Option(min=2, help="Nights to one false alarm; drift.one_in_nights if empty.")
    ] = None,
    draws: Annotated[int, typer.Option(min=2, help="How often the days are shuffled.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Of shuffles and faults.")] = 7,
    as_json: Json = False,
) -> None:
    """Replay the champion's training days, shuffled and with planted faults, through input drift."""
    from plimsoll.drift_selftest import run_selftest
    from tasks.training_days import read_training_days
    from tasks.workspace import open_workspace

    workspace = open_workspace()
    asked = one_in or workspace.model(model).drift.one_in_nights
    with following("Reading the training days", as_json) as progress:
        held = read_training_days(workspace, model, seed)
        progress("Shuffling them")
        found = run_selftest(held.days, held.kinds, asked, draws, seed, lambda n: progress(f"Shuffle {n} of {draws}"))
    if as_json:
        print_json({"model": model, "version": held.version, "sampled_days": held.sampled, **found.to_json()})
    else:
        _tell(found, f"{model} v{held.version}", held.sampled)
    if not found.passed:
        raise typer.Exit(1)


def _tell(found: "SelfTest", name: str, sampled: int) -> None:
    low, high = found.level.true_rate
    print_facts(
        {
            "days": f"{found.days} of {name}, {found.reference_days} of them the reference of each shuffle"
            + (f"; {sampled} are looked at in part" if sampled else ""),
            "one reference": f"its own rate lies between {low:.1%} and {high:.1%}, nine times in ten",
            "in order": f"{found.in_order:.0%} of the later days alarm against the first {found.reference_days}",
        }
    )
    say()
    rows = [[d.fault, d.strength, f"{d.found / d.nights:.0%}", f"{d.nights:,}"] for d in found.by_fault()]
    print_table("Planted faults", ["fault", "strength", "found", "nights"], rows)
    seen = found.smallest_seen().items()
    print_table("Smallest that is seen on 80 % of nights", ["fault", "strength"], [[f, s or "none"] for f, s in seen])
    shifts = found.smallest_shifts().items()
    print_table("Smallest shift of a mean that is seen", ["column", "shift"], [[c, s or "none"] for c, s in shifts])
    say(found.sentence)
