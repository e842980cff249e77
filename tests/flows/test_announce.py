"""Who learns of a decision: Prefect by an event, people by a notification block; and nobody is a reason to fail."""

import dataclasses
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from plimsoll.night_verdict import NightVerdict
from plimsoll.platform_config import NotifyConfig
from tasks.announce import EVENT, alarms, worth_telling
from tests.flows.places import DAY, MODEL, NEXT, Answer, Place

Cli = Callable[..., Answer]


@pytest.fixture
def heard() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """The address of somebody who listens on this machine, and what was heard."""
    told: list[dict[str, str]] = []

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/secret-part", told
    server.shutdown()
    thread.join()
    server.server_close()


def block(name: str, url: str) -> str:
    """Keep a webhook as a block in Prefect, as a person does in the UI."""
    from prefect.blocks.notifications import CustomWebhookNotificationBlock

    body = {"title": "{{subject}}", "text": "{{body}}"}
    webhook = CustomWebhookNotificationBlock(name=name, url=url, json_data=body, allow_private_urls=True, timeout=2)
    webhook.save(name, overwrite=True)
    return f"custom-webhook/{name}"


def tell(place: Place, *blocks: str, about: str) -> None:
    path = place.root / "configs/platform.yaml"
    old = path.read_text()
    at = old.index("  blocks: []")
    path.write_text(f"{old[:at]}  blocks: [{', '.join(blocks)}]\n  about: {about}\n")


def test_a_decision_is_told_once_and_who_cannot_be_told_changes_nothing(
    serving: Place, plimsoll: Cli, heard: tuple[str, list[dict[str, str]]]
) -> None:
    address, told = heard
    tell(serving, block("ops", address), block("gone", "http://127.0.0.1:9/secret-part"), about="decisions")
    assert plimsoll("score", MODEL, "--date", DAY, "--as-of", NEXT).code == 0
    for _ in range(2):
        assert plimsoll("check", MODEL, "--date", DAY, "--as-of", NEXT).code == 0
    decided = serving.ledger("drift_decided")
    assert len(decided) == 1
    assert [one["title"] for one in told] == [f"{MODEL} {DAY}"]
    assert decided[0]["facts"]["decision"]["sentence"] in told[0]["text"]
    assert f"Ledger entry {decided[0]['n']}." in told[0]["text"]

    record = next(r for r in serving.records() if r["flow"] == "check_drift")
    (said,) = record["end"]["outputs"]["not_announced"]
    assert said.startswith("the block custom-webhook/gone about the decision was not sent: Connect")
    assert "secret-part" not in json.dumps(serving.records()), "an address may be a secret"
    assert events(f"plimsoll.model.{MODEL}", decided[0]["facts"]["run"]) == 1


def events(resource: str, run: str) -> int:
    """Return how many events of a run's decisions the server has."""
    from tasks.prefect_api import connected

    asked = {"filter": {"event": {"name": [EVENT]}, "resource": {"id": [resource]}}}
    with connected() as client:
        found = client.request("POST", "/events/filter", json=asked).json()["events"]
    mine = [one for one in found if one["payload"]["run"] == run]
    assert all(one["related"][0]["prefect.resource.role"] == "flow-run" for one in mine), "it leads to the run"
    return len(mine)


@pytest.mark.parametrize(
    ("about", "facts", "before", "told"),
    [
        ("decisions", {}, {}, True),
        ("alarms", {}, {}, False),
        ("alarms", {"inputs": {"alarm": True}}, {}, True),
        ("alarms", {"inputs": {"alarm": True}}, {"inputs": {"alarm": True}}, False),
        ("alarms", {"inputs": {"alarm": True}, "quality": {"alarm": True}}, {"inputs": {"alarm": True}}, True),
        ("alarms", {"batch": "batch_rejected"}, {}, True),
        ("alarms", {"recent": {"alarm": True}}, {}, True),
        ("alarms", {"slices": {"origin=JFK": {"alarm": True}}}, {}, True),
        ("retrains", {"inputs": {"alarm": True}}, {}, False),
        ("retrains", {"decision": {"retrain": True}}, {}, True),
    ],
)
def test_people_hear_of_what_is_new(
    about: str, facts: dict[str, object], before: dict[str, object], told: bool
) -> None:
    quiet = {"batch": "batch_committed", "decision": {"retrain": False}}
    policy = NotifyConfig.model_validate({"about": about})
    assert worth_telling(policy, {**quiet, **facts}, {**quiet, **before}) is told


def test_every_answer_of_a_night_is_told_when_it_alarms() -> None:
    answers = {field.name for field in dataclasses.fields(NightVerdict)} - {"estimate_alarms", "sentence", "stale"}
    for name in answers:
        chart = {"origin=JFK": {"alarm": True}} if name == "slices" else {"alarm": True}
        assert alarms({"batch": "batch_committed", name: chart}) == [name]
