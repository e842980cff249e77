"""Replay: a config that another version recorded and this one cannot read is told in a sentence, not in a traceback."""

import json
from pathlib import Path

from plimsoll.digest import canonical_json, sha256_hex
from tasks.replay import FORMAT, main
from tests.unit.test_gates import config_of


def test_a_recorded_config_of_another_version_is_told_in_a_sentence(tmp_path: Path) -> None:
    body = config_of().model_dump(mode="json")
    data = canonical_json({**body, "hours": 3, "split": {**body["split"], "test_days": "many"}})
    digest = sha256_hex(data)
    kept = tmp_path / f"objects/sha256/{digest[:2]}/{digest}"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(data)
    request, result = tmp_path / "request.json", tmp_path / "result.json"
    asked = {"format": FORMAT, "model": "made_up", "store": str(tmp_path), "config": digest, "snapshot": "0" * 64}
    request.write_text(json.dumps(asked))
    main(request, result)
    error = json.loads(result.read_text())["error"]
    assert error["exit_code"] == 2
    assert f"The recorded config {digest[:12]}, read by this code: unknown key hours." in error["sentence"]
    assert "split.test_days" in error["sentence"]
