"""Seals and records: what is signed can be checked by anyone with the public key, and changed by nobody."""

import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plimsoll.archive import get_sealed, put_sealed
from plimsoll.errors import ConfigError, IntegrityError, PlimsollError
from plimsoll.platform_config import PlatformConfig
from plimsoll.run_record import (
    CodeVersion,
    Environment,
    RunEnd,
    RunStart,
    end_key,
    read_record,
    record_schema,
    require_record,
    start_digest,
    start_key,
    write_end,
    write_start,
)
from plimsoll.seal import Seal, public_key, seal_json, seal_of, unseal_json
from tasks.signing import open_seal
from tests.archives import SECRET, archive_at

ROOT = Path(__file__).parents[2]
CODE = CodeVersion("c" * 40, "https://git.example/p.git", "", "d" * 64, kept=False)
MACHINE = Environment("e" * 64, "f" * 64, "CPython 3.11.7", "Linux", "a cpu", 2, {"TZ": "UTC"}, ("PLIMSOLL_HOME",))
START = RunStart(
    run_id="r",
    flow="train_model",
    model="m",
    as_of="2013-03-01",
    started_at="2026-01-01T00:00:00+00:00",
    parameters={"start": None},
    config="a" * 64,
    seed=7,
    threads=2,
    code=CODE,
    environment=MACHINE,
    prefect_run_id="",
)
END = RunEnd("r", start_digest(START), "2026-01-01T00:01:00+00:00", "done", "Done.", ("s",), (), {"rows": 3})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80)
@given(body=VALUES, data=st.data())
def test_any_changed_byte_of_a_sealed_json_is_seen(body: object, data: st.DataObject) -> None:
    seal = seal_of(SECRET)
    written = seal_json(seal, "k", body)
    assert unseal_json(seal, "k", written) == body
    changed = bytearray(written)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError, match=r"^k "):
        unseal_json(seal, "k", bytes(changed))


def test_a_sealed_json_does_not_count_under_another_key(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    assert put_sealed(archive, "a/1", {"x": 1})
    archive.store.put_if_absent("a/2", archive.store.get("a/1") or b"")
    assert get_sealed(archive, "a/1") == {"x": 1}
    assert get_sealed(archive, "a/3") is None
    with pytest.raises(IntegrityError, match=r"^a/2 was changed"):
        get_sealed(archive, "a/2")


def test_a_record_comes_back_whole_and_fits_the_published_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    archive = archive_at(tmp_path)
    assert read_record(archive, "r") is None
    write_start(archive, START)
    assert (read_record(archive, "r") or {})["end"] is None
    write_end(archive, END)
    found = json.loads(json.dumps(read_record(archive, "r")))
    published = json.loads((ROOT / "docs/schemas/run_record.json").read_text())
    jsonschema.validate(found, published)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found, "surprise": 1}, published)
    assert published == record_schema(), "run `python -m plimsoll.run_record > docs/schemas/run_record.json`"


@pytest.mark.parametrize("key", [start_key("r"), end_key("r")])
def test_a_changed_record_is_named(tmp_path: Path, key: str) -> None:
    archive = archive_at(tmp_path)
    write_start(archive, START)
    write_end(archive, END)
    path = tmp_path / key
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"2026-01-01", b"2025-01-01"))
    with pytest.raises(IntegrityError, match=key):
        read_record(archive, "r")


def test_an_end_of_another_start_is_refused(tmp_path: Path) -> None:
    archive = archive_at(tmp_path)
    write_start(archive, START)
    write_end(archive, replace(END, start=start_digest(replace(START, seed=8))))
    with pytest.raises(IntegrityError, match="belongs to another start"):
        read_record(archive, "r")


@pytest.mark.parametrize(
    ("hollow", "named"),
    [
        (replace(START, config=""), "config"),
        (replace(START, code=replace(CODE, tree="")), "code.tree"),
        (replace(START, environment=replace(MACHINE, lock="")), "environment.lock"),
        (replace(START, environment=replace(MACHINE, packages="")), "environment.packages"),
    ],
)
def test_an_incomplete_record_is_not_written(tmp_path: Path, hollow: RunStart, named: str) -> None:
    archive = archive_at(tmp_path)
    with pytest.raises(PlimsollError, match=f"incomplete: {named} unknown"):
        write_start(archive, hollow)
    with pytest.raises(IntegrityError, match="has no record"):
        require_record(archive, "r")


def platform_at(folder: Path, **changed: object) -> PlatformConfig:
    body = {"signing": {"file": str(folder / "keys/signing.key")}, "store": {"url": str(folder / "store")}, **changed}
    return PlatformConfig.model_validate(body)


def test_a_key_is_made_once_and_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLIMSOLL_SIGNING_KEY", raising=False)
    first, again = open_seal(platform_at(tmp_path)), open_seal(platform_at(tmp_path))
    assert (first.public, list(tmp_path.iterdir())) == ("", []), "who only looks makes none"
    signature = first.sign(b"data")
    again.check(b"data", first.public, signature, "what another process signed with a key made meanwhile")
    with pytest.raises(IntegrityError, match="is not trusted here"):
        again.check(b"data", public_key(SECRET), seal_of(SECRET).sign(b"data"), "x")
    first = open_seal(platform_at(tmp_path))
    assert first.public == again.public
    assert (tmp_path / "keys/signing.key").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in (tmp_path / "keys").iterdir()] == ["signing.key"]
    assert first.secret.hex() not in repr(first)
    assert str(first.secret) not in repr(first)


def test_a_key_from_the_environment_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import base64

    monkeypatch.setenv("PLIMSOLL_SIGNING_KEY", base64.b64encode(SECRET).decode())
    assert open_seal(platform_at(tmp_path)).public == public_key(SECRET)
    assert not (tmp_path / "keys").exists()
    monkeypatch.setenv("PLIMSOLL_SIGNING_KEY", "planted-and-not-a-key")
    with pytest.raises(ConfigError, match="32 bytes as base64") as refused:
        open_seal(platform_at(tmp_path))
    assert "planted" not in str(refused.value)


def test_a_shared_store_needs_a_shared_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLIMSOLL_SIGNING_KEY", raising=False)
    with pytest.raises(ConfigError, match="plimsoll key new"):
        open_seal(platform_at(tmp_path, store={"url": "s3://bucket/prefix"}))
    trusted = {"file": str(tmp_path / "none"), "trusted": [public_key(SECRET)]}
    reader = open_seal(platform_at(tmp_path, store={"url": "s3://bucket/prefix"}, signing=trusted))
    assert (reader.public, reader.trusted) == ("", {public_key(SECRET)})


@pytest.mark.parametrize(
    "words",
    [
        *(
            "models",
            "pending",
            "runs",
            "verify",
            "repair --dry-run",
            "key show",
            "config show",
            "config show flight_delay",
        ),
        *("history flight_delay", "history flight_delay --at 2013-03-01", "trace 2013-03-01/UA1/EWR", "diff a b"),
        *("reproduce flight_delay:v1", "rollback flight_delay --as ada --dry-run"),
    ],
)
def test_a_command_that_looks_leaves_nothing_in_a_new_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    from flows.cli import main

    monkeypatch.delenv("PLIMSOLL_SIGNING_KEY", raising=False)
    monkeypatch.setenv("PLIMSOLL_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sys, "argv", ["plimsoll", *words.split()])
    with suppress(SystemExit):
        main()
    found = capsys.readouterr()
    assert found.out + found.err
    assert not (tmp_path / "home").exists()


def test_what_is_derived_from_the_key_differs_by_purpose_and_needs_the_key() -> None:
    seal, other = seal_of(bytes(range(32))), seal_of(bytes(range(1, 33)))
    assert seal.derive("secrets") == seal_of(bytes(range(32))).derive("secrets")
    assert len({seal.derive("secrets"), seal.derive("others"), other.derive("secrets"), bytes(range(32))}) == 4
    with pytest.raises(IntegrityError, match="holds no signing key"):
        Seal(frozenset({seal.public})).derive("secrets")
