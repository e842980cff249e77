"""Pages that an approver reads: what the reports folder serves, held against what the training run wrote and kept."""

from collections.abc import Iterator

from plimsoll.approval import Request
from plimsoll.digest import sha256_hex
from plimsoll.errors import PlimsollError
from plimsoll.run_record import read_record
from plimsoll.standing import Version
from plimsoll.store import get_object
from plimsoll.verification import Finding
from tasks.pages import write_page
from tasks.workspace import Workspace

READING = "reading"  # the output of a training run that names the objects


def kept_pages(workspace: Workspace, run_id: str) -> dict[str, str]:
    """Return the digests of what a training run wrote for people, by name; none from before it was kept."""
    record = read_record(workspace.archive, run_id) if run_id else None
    return dict(((record or {}).get("end") or {}).get("outputs", {}).get(READING, {}))


def changed_pages(workspace: Workspace, model: str, run_id: str) -> Iterator[tuple[str, str]]:
    """Yield name and digest of what is not under reports/ as the training run wrote it, pages that are gone too."""
    for name, digest in kept_pages(workspace, run_id).items():
        path = workspace.reports / model / name
        if not path.is_file() or sha256_hex(path.read_bytes()) != digest:
            yield name, digest


def restore_pages(workspace: Workspace, request: Request) -> str:
    """Put back what an approver is sent to, from the store, and say what had been changed; nothing where all is whole.

    Raises nothing: where a page cannot be put back the sentence says not to read it.
    """
    put, lost = [], []
    for name, digest in changed_pages(workspace, request.model, request.run):
        path = workspace.reports / request.model / name
        there = path.is_file()
        try:
            write_page(path, get_object(workspace.store, digest).decode())
            put += [name] if there else []
        except (OSError, PlimsollError) as error:
            lost.append(f"{name} is not what the training run wrote and cannot be put back, so do not read it: {error}")
    said = f"Somebody had changed {' and '.join(put)}; now it is again what the training run wrote." if put else ""
    return " ".join(part for part in (said, *lost) if part)


def served_findings(workspace: Workspace, model: str, version: Version) -> Iterator[Finding]:
    """Yield the pages of a version that are served otherwise than they were written.

    A page that is gone shows nothing false, and a card is written anew once a version has asked and was decided.
    """
    for name, digest in changed_pages(workspace, model, str(version.trained.facts["run"])):
        path = workspace.reports / model / name
        if path.is_file() and (version.state == "requested" or "-card." not in name):
            said = f"reports/{model}/{name} was changed after it was written; it is object {digest[:12]} of the store."
            put = f"Put it right with: plimsoll repair {model}"
            yield Finding(f"reports/{model}/{name}", f"{said} {put}", "page", model, str(version.number))
