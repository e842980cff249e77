"""How a person names a run: by its id, by the beginning of it, or by the model version that it trained."""

import re

from plimsoll.archive import Archive, get_sealed
from plimsoll.errors import UserError
from plimsoll.ledger import read_ledger
from plimsoll.run_record import start_key
from plimsoll.standing import stand

SHOWN = 5
VERSION = re.compile(r"([a-z][a-z0-9_]*):(?:v?(\d+)|champion)")
RUN = re.compile(r"[\w-]+")
GONE = "expired/"  # a signed note of every run that the upkeep removed
FORMS = "Give a run's id, the beginning of it, MODEL:vN or MODEL:champion. The ids: plimsoll runs"


def find_run(archive: Archive, text: str) -> str:
    """Return the id of the run that a text names: its id or the beginning of it, MODEL:vN or MODEL:champion.

    Raises UserError when there is none, or more than one, or the retention policy removed it.
    """
    if found := VERSION.fullmatch(text):
        run = _training_run(archive, found[1], int(found[2]) if found[2] else None)
        _require_kept(archive, run)
        return run
    if not RUN.fullmatch(text):
        raise UserError(f"{text!r} does not name a run. {FORMS}")
    ids = {key.split("/")[1] for key in archive.store.keys(f"records/{text}")}
    if text in ids or len(ids) == 1:
        return text if text in ids else ids.pop()
    if not ids:
        for key in archive.store.keys(f"{GONE}{text}"):
            _require_kept(archive, key.removeprefix(GONE).removesuffix(".json"))
        raise UserError(f"No run begins with {text!r}. {FORMS}")
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    raise UserError(
        f"{len(ids)} runs begin with {text!r}: {', '.join(sorted(ids)[:SHOWN])}{more}. Give more of the one you mean."
    )


def _training_run(archive: Archive, model: str, number: int | None) -> str:
    """Return the run that trained a version, or the champion."""
    standing = stand(model, read_ledger(archive, model))
    asked = standing.champion if number is None else number
    version = None if asked is None else standing.version(asked)
    if version is None:
        there = ", ".join(f"v{one.number}" for one in standing.versions) or "no versions"
        wanted = "no champion" if number is None else f"no v{number}"
        raise UserError(f"The ledger of {model} has {wanted}; it has {there}. {FORMS}")
    return str(version.trained.facts["run"])


def _require_kept(archive: Archive, run: str) -> None:
    """Raise UserError when the upkeep removed a run; one that was cut off between note and record did not yet."""
    note = get_sealed(archive, f"{GONE}{run}.json")
    if note is not None and archive.store.get(start_key(run)) is None:
        raise UserError(
            f"Run {run} is gone: on {note['expired_at'][:10]} the upkeep {note['by']} removed its record and the "
            f"data that only it needed ({note['policy']}). Restore the store from a backup to look at it."
        )
