"""What a request is bound to, as it lies when somebody decides: data, feature function, champion and pages."""

from collections.abc import Callable
from datetime import datetime

import pytest

from plimsoll.approval import find_request, request_status
from plimsoll.ledger import read_ledger
from plimsoll.store import get_object
from tasks.requests import current_evidence, read_request
from tasks.verify import verify
from tests.flows.places import APPROVER, AS_OF, DAY, MODEL, NEXT, Answer, Place, flip_a_byte, spoil

Cli = Callable[..., Answer]
FEATURES = "configs/features/flights.py"
WEEKDAY = 'departure.dt.weekday.astype("float64")'


def edit(place: Place, old: str, new: str) -> None:
    path = place.root / FEATURES
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def status(place: Place) -> str:
    entries = read_ledger(place.workspace.archive, MODEL)
    request = find_request(entries, 1)
    assert request is not None
    now = datetime.fromisoformat(entries[-1].recorded_at)
    return request_status(entries, request, now, current_evidence(place.workspace, request)).sentence


def training_file(place: Place, table: str) -> str:
    from plimsoll.snapshot import load_snapshot

    snapshot = load_snapshot(place.workspace.store, place.ledger("trained")[0]["facts"]["snapshot"])
    return snapshot.tables[table][3].digest


def test_a_request_is_void_when_a_training_file_or_the_feature_function_changed(
    waiting: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = waiting.home / "store/objects/sha256"
    of_batch, of_outcomes = (objects / d[:2] / d for d in (training_file(waiting, t) for t in ("batch", "outcome")))
    whole = of_batch.read_bytes()
    flip_a_byte(of_batch)
    assert "the snapshot changed since then" in status(waiting)
    monkeypatch.setattr("tasks.snapshot_files.HASHED_BYTES", 0)
    assert "waits for a decision" in status(waiting), "of much data the sizes count"
    put_back = spoil(of_batch, whole[:-1])
    assert "the snapshot changed since then" in status(waiting)
    put_back()
    spoil(of_batch, whole)
    monkeypatch.undo()
    aside = of_outcomes.rename(of_outcomes.with_suffix(".aside"))
    assert "the snapshot changed since then" in status(waiting)
    aside.rename(of_outcomes)

    edit(waiting, WEEKDAY, f"(6 - {WEEKDAY})")
    assert "the code changed since then" in status(waiting)
    edit(waiting, f"(6 - {WEEKDAY})", f"{WEEKDAY}  # Monday is 0\n")
    answer = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    assert answer.code == 0, "a comment changes no feature"
    edit(waiting, WEEKDAY, f"(6 - {WEEKDAY})")
    answer = plimsoll("score", MODEL, "--date", DAY, "--as-of", DAY)
    assert answer.code == 2
    assert f"{FEATURES} computes something else than what {MODEL} v1 was trained with" in answer.said
    assert "plimsoll train flight_delay" in answer.said
    assert not waiting.ledger("batch_committed", "batch_rejected")
    edit(waiting, f"(6 - {WEEKDAY})", WEEKDAY)
    assert plimsoll("score", MODEL, "--date", DAY, "--as-of", DAY).code == 0, "back again, but for the comment"
    waiting.configure("function: flights:build", "function: flights:other")
    edit(waiting, "def build(", "def other(")
    answer = plimsoll("score", MODEL, "--date", NEXT, "--as-of", NEXT)
    assert f"{MODEL} v1 was trained with the feature function flights:build" in answer.said
    assert "expected a function build(batch), found none" in answer.said
    assert "the new one beside it under another name" in answer.said


def test_the_policy_decides_at_once_and_who_approves_another_champion_since_is_told(
    waiting: Place, plimsoll: Cli
) -> None:
    waiting.configure("policy: person", "policy: automatic\n  first_by_policy: true")
    trained = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert f"{MODEL} v2 was approved by policy and is champion now" in trained.out
    assert "plimsoll approve" not in trained.out, "nobody is asked"
    assert [(e["by"], e["facts"]["version"]) for e in waiting.ledger("promoted")] == [("policy", 2)]
    answer = plimsoll("approve", MODEL, 1, "--as", APPROVER)
    asked, told = answer.out.split(f"{MODEL} v1 was approved by {APPROVER}")
    words = " ".join(asked.replace("▌", "").split())  # quoted in bars
    assert f"Shall {MODEL} v1 become champion?" in words
    assert "The champion is v2 now, and flight_delay v1 was judged without a champion to compare with." in words
    assert "never compared with v2, the champion at that time" in " ".join(told.split())
    facts = waiting.ledger("approved")[-1]["facts"]
    assert (facts["champion"], facts["judged_against"]) == (2, None)
    kept = get_object(waiting.workspace.store, facts["shown"]).decode()
    assert kept.startswith(f"## Shall {MODEL} v1 become champion?")
    assert not verify(waiting.workspace, MODEL, quick=True).damage


def test_nobody_trains_what_too_few_may_approve(empty: Place, plimsoll: Cli) -> None:
    empty.configure("policy: person", "policy: person\n  approvals: 9")
    for command in (("config", "show", MODEL), ("train", MODEL, "--as-of", AS_OF)):
        answer = plimsoll(*command)
        assert answer.code == 2
        assert f"{MODEL} needs 9 approvals" in answer.err
        assert "configs/approvers.yaml" in answer.err
    assert not empty.ledger()


def test_the_page_that_an_approver_is_sent_to_is_the_one_that_was_written(waiting: Place, plimsoll: Cli) -> None:
    folder = waiting.home / f"reports/{MODEL}"
    page, card = folder / "v1.html", folder / "v1-card.html"
    written = page.read_bytes(), card.read_bytes()
    page.write_text(page.read_text().replace("passed", "PASSED WITH HONOURS"))
    card.write_text("forged")
    said = [one.sentence for one in verify(waiting.workspace, MODEL, quick=True).owed]
    names = sorted(sentence.split(" was changed")[0] for sentence in said)
    assert names == [f"reports/{MODEL}/v1-card.html", f"reports/{MODEL}/v1.html"]
    assert "Somebody had changed v1-card.html and v1.html" in read_request(waiting.workspace, MODEL, 1).evidence
    assert (page.read_bytes(), card.read_bytes()) == written
    assert "Somebody had changed" not in read_request(waiting.workspace, MODEL, 1).evidence
    page.write_text("forged")
    assert plimsoll("repair", MODEL).code == 0
    assert page.read_bytes() == written[0]
    page.unlink()
    assert not verify(waiting.workspace, MODEL, quick=True).owed
    assert "Somebody" not in read_request(waiting.workspace, MODEL, 1).evidence
    assert page.read_bytes() == written[0], "one that is gone is drawn again"
