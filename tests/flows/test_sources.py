"""Where data comes from: the same rows from files, S3, a database and Delta; one moment; no secret; no late change."""

import io
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import yaml

from plimsoll.config_loading import check_config
from plimsoll.errors import ConfigError, DataError
from plimsoll.model_config import ModelConfig
from plimsoll.snapshot import FileRef, Snapshot, load_snapshot
from plimsoll.snapshot_difference import describe_difference
from plimsoll.store import get_object
from tasks.assemble import reassemble
from tasks.landing import landed_dates, parts_of
from tasks.sources import open_sources
from tasks.workspace import Workspace
from tests.flows.places import AS_OF, DAY, MODEL, Answer, Place, flip_a_byte
from tests.moto_server import moto_server

Cli = Callable[..., Answer]
SECRET = "hunter2-planted-and-to-be-found-nowhere"
BATCH = {"connection": "WAREHOUSE_URL", "select": "SELECT * FROM flights WHERE flight_date = :date",
         "dates": "SELECT DISTINCT flight_date FROM flights"}  # fmt: skip
OUTCOMES = {"connection": "WAREHOUSE_URL", "select": "SELECT * FROM outcomes WHERE flight_date = :date"}


def rows_of(workspace: Workspace, ref: FileRef) -> pd.DataFrame:
    """Return the rows of a kept file."""
    frame: pd.DataFrame = pq.read_table(io.BytesIO(get_object(workspace.store, ref.digest))).to_pandas()
    return frame


def configured(place: Place, model: str = MODEL, **parts: dict[str, Any]) -> ModelConfig:
    """Change feeds in a model's config, for commands too, and return it; None removes a field."""
    path = place.root / f"configs/models/{model}.yaml"
    body = yaml.safe_load(path.read_text())
    for part, fields in parts.items():
        feed = body[part] if part in body else next(one for one in body["source"]["lookups"] if one["name"] == part)
        feed |= fields
        for name in [name for name, value in feed.items() if value is None]:
            del feed[name]
    path.write_text(yaml.safe_dump(body, sort_keys=False))
    return check_config(ModelConfig, body, path.name)


def kept(place: Place, config: ModelConfig, table: str, *names: str) -> tuple[FileRef, ...]:
    """Keep parts of a table and return them."""
    with open_sources(place.workspace, config) as sources:
        return sources.table(table).keep(names)


@pytest.fixture
def warehouse(empty: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The landing folder as a SQLite database, rows in no order; its URL in WAREHOUSE_URL."""
    path = empty.data.parent / "warehouse.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    for table in ("flights", "outcomes"):
        for file in sorted((empty.data / table).glob("*.parquet"), reverse=True):
            frame = pq.ParquetFile(file).read().to_pandas().assign(flight_date=file.stem)
            for name in frame.select_dtypes(["datetime", "datetimetz"]):
                frame[name] = frame[name].astype(str).where(frame[name].notna(), None)
            frame.iloc[::-1].to_sql(table, database, if_exists="append", index=False)
    database.commit()
    database.close()
    monkeypatch.setenv("WAREHOUSE_URL", f"sqlite:///{path}")
    return path


def test_a_champion_is_trained_and_scores_from_a_database(empty: Place, warehouse: Path, plimsoll: Cli) -> None:
    types = {"scheduled_departure_local": "time"}  # SQLite has none, and the suite compares it with another time
    configured(empty, source={"path": None, "sql": BATCH, "types": types}, outcome={"path": None, "sql": OUTCOMES})
    trained = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert trained.code == 0, trained.said
    record = empty.records()[-1]
    snapshot = load_snapshot(empty.workspace.store, record["end"]["snapshots"][0])
    assert snapshot.sources["batch"]["sql"]["connection"] == "WAREHOUSE_URL"
    assert snapshot.sources["batch"]["order_by"] == ["flight_id"]
    assert str(warehouse) not in str(snapshot.manifest())
    for ref in snapshot.tables["batch"][:3]:
        delivered = pq.ParquetFile(empty.data / f"flights/{ref.name}.parquet").read().to_pandas()
        assert ref.rows == len(delivered)
        assert list(rows_of(empty.workspace, ref)["flight_id"]) == sorted(delivered["flight_id"])


def test_a_query_gives_the_same_bytes_whatever_order_the_table_has(empty: Place, warehouse: Path) -> None:
    config = configured(empty, source={"path": None, "sql": BATCH})
    first = kept(empty, config, "batch", str(DAY), "2031-01-01")
    assert [ref.name for ref in first] == [str(DAY)], "a date without rows is not there"
    assert first[0].columns[0] == ("flight_id", "string")
    with sqlite3.connect(warehouse) as database:
        database.execute("CREATE TABLE other AS SELECT * FROM flights ORDER BY dest, flight_id DESC")
        database.execute("DROP TABLE flights")
        database.execute("ALTER TABLE other RENAME TO flights")
    assert kept(empty, config, "batch", str(DAY)) == first
    assert landed_dates(empty.workspace, config)[-1] == "2013-03-31"


def test_rows_that_the_table_holds_for_equal_have_one_order_too(empty: Place, warehouse: Path) -> None:
    select = "SELECT * FROM loose WHERE :date > '' -- all of it"
    config = configured(empty, source={"path": None, "sql": {**BATCH, "select": select, "order_by": ["k"]}})
    found = []
    for keys in ("aA", "Aa"):
        with sqlite3.connect(warehouse) as database:
            database.execute("DROP TABLE IF EXISTS loose")
            database.execute("CREATE TABLE loose (k TEXT COLLATE NOCASE)")
            database.executemany("INSERT INTO loose VALUES (?)", keys)
        found += kept(empty, config, "batch", str(DAY))
    assert found[0] == found[1]
    assert list(rows_of(empty.workspace, found[0])["k"]) == ["A", "a"]


def test_a_value_that_does_not_fit_leaves_no_noise(
    empty: Place, warehouse: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite3.connect(warehouse) as database:
        database.execute("CREATE TABLE bytes AS SELECT flight_id, x'00ff' AS b FROM flights")
    sql = {**BATCH, "select": "SELECT * FROM bytes WHERE :date > ''"}
    with pytest.raises(DataError, match="a value of column b is not of its type"):
        kept(empty, configured(empty, source={"path": None, "sql": sql, "types": {"b": "number"}}), "batch", str(DAY))
    assert "Traceback" not in capfd.readouterr().err + caplog.text


def test_all_queries_of_a_snapshot_see_one_moment(empty: Place, warehouse: Path) -> None:
    config = configured(empty, source={"path": None, "sql": BATCH}, outcome={"path": None, "sql": OUTCOMES})
    before = kept(empty, config, "outcome", str(DAY))
    with open_sources(empty.workspace, config) as sources:
        first = sources.table("batch").keep([str(DAY)])
        with sqlite3.connect(warehouse) as database:  # a writer commits between the two reads
            database.execute("DELETE FROM flights WHERE flight_date = ?", [str(DAY)])
            database.execute("UPDATE outcomes SET arrival_delay_minutes = 0")
        assert sources.table("outcome").keep([str(DAY)]) == before
        assert sources.table("batch").keep([str(DAY)]) == first
    assert kept(empty, config, "batch", str(DAY)) == ()
    assert kept(empty, config, "outcome", str(DAY)) != before


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ({**BATCH, "select": "SELECT * FROM flihgts WHERE flight_date = :date"}, "no such table: flihgts"),
        ({**BATCH, "select": "DELETE FROM flights WHERE flight_date = :date"}, "the query on WAREHOUSE_URL"),
        ({**BATCH, "order_by": ["flight_idd"]}, "rows are ordered by it. Did you mean flight_id?"),
        ({**BATCH, "connection": "NOWHERE_URL"}, "NOWHERE_URL, and no such environment variable is set"),
    ],
)
def test_a_query_that_cannot_be_run_is_said_in_one_sentence(
    empty: Place, warehouse: Path, sql: dict[str, Any], words: str
) -> None:
    config = configured(empty, source={"path": None, "sql": sql})
    with pytest.raises((ConfigError, DataError)) as caught:
        kept(empty, config, "batch", str(DAY))
    assert words in str(caught.value)
    with sqlite3.connect(warehouse) as database:
        assert database.execute("SELECT count(*) FROM flights").fetchone()[0] > 40_000


def test_a_column_of_another_kind_on_another_day_is_an_error(empty: Place, warehouse: Path) -> None:
    config = configured(empty, source={"path": None, "sql": BATCH})
    kept(empty, config, "batch", "2013-03-01")
    with sqlite3.connect(warehouse) as database:
        database.execute("UPDATE flights SET distance = 'far' WHERE flight_date = ?", [str(DAY)])
    with pytest.raises(DataError, match="a value of column distance is not of its type double"):
        kept(empty, config, "batch", str(DAY))


@pytest.mark.parametrize("url", [f"postgresql://ada:{SECRET}@127.0.0.1:9/x", f"mysql://ada:{SECRET}@h/x", f"{SECRET}"])
def test_an_address_with_a_password_is_found_nowhere(
    empty: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    configured(empty, source={"path": None, "sql": BATCH})
    monkeypatch.setenv("WAREHOUSE_URL", url)
    answer = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert answer.code == (4 if url.startswith("postgresql") else 2), answer.said
    assert "WAREHOUSE_URL" in answer.err
    assert "Traceback" not in answer.said
    assert SECRET not in answer.said
    assert not [p for p in empty.home.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]


def as_csv(place: Place, *tables: str) -> None:
    """Deliver tables as CSV in the place of parquet."""
    for table in tables:
        for file in (place.data / table).glob("*.parquet"):
            pc.write_csv(pq.ParquetFile(file).read(), file.with_suffix(".csv"))
            file.unlink()


def test_csv_is_assembled_into_the_same_rows_as_parquet(empty: Place) -> None:
    before = assembled(empty)
    as_csv(empty, "flights", "weather", "outcomes")
    configured(empty, **{name: {"format": "csv"} for name in ("source", "weather", "outcome")})
    pd.testing.assert_frame_equal(assembled(empty), before, check_dtype=False)


def assembled(place: Place) -> pd.DataFrame:
    """Return a date's rows as they would be trained on or scored."""
    workspace, config = place.workspace, place.workspace.model(MODEL)
    with open_sources(workspace, config) as sources:
        tables = {table: sources.table(table).keep(parts_of(config, table, [str(DAY)])) for table in config.feeds}
    snapshot = Snapshot(MODEL, (str(DAY),), str(AS_OF), tables)
    return reassemble(workspace, config, snapshot, str(DAY))


def test_a_ragged_csv_is_a_rejected_batch(serving: Place, plimsoll: Cli) -> None:
    as_csv(serving, "flights")
    configured(serving, source={"format": "csv"})
    path = serving.data / f"flights/{DAY}.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:41], lines[41].partition(",")[0], *lines[42:]]))
    answer = plimsoll("score", MODEL, "--date", DAY)
    assert answer.code == 2
    assert f"flights/{DAY}.csv: row 42 is broken" in answer.err
    [rejected] = serving.ledger("batch_rejected")
    snapshot = load_snapshot(serving.workspace.store, rejected["facts"]["snapshot"])
    ref = snapshot.file("batch", str(DAY))
    assert ref
    assert get_object(serving.workspace.store, ref.digest) == path.read_bytes(), "the bytes that were delivered"


def test_training_does_not_see_a_source_that_changes_after_the_snapshot(
    judged: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import train_model
    from tasks.candidates import read_valid_rows

    def after_the_source_was_garbled(run: Any, snapshot: Any, scratch: Any) -> Any:
        for file in judged.data.rglob("*.parquet"):
            file.write_bytes(b"garbled")
        return read_valid_rows(run, snapshot, scratch)

    monkeypatch.setattr(train_model, "read_valid_rows", after_the_source_was_garbled)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    summary = judged.ledger("promotion_requested")[0]["facts"]["summary"]
    assert set(summary["excluded_dates"]) == {"2013-02-12"}, "a day with bad wind, and none that cannot be read"


def test_a_flipped_byte_in_what_proves_a_file_unchanged_ends_with_three(
    judged: Place, plimsoll: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks import folder_source

    monkeypatch.setattr(folder_source, "is_racy", lambda changed_at, begun: False)
    assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
    entries = sorted((judged.home / "store/seen").iterdir())
    entries[0].chmod(0o644)
    flip_a_byte(entries[0])
    answer = plimsoll("train", MODEL, "--as-of", AS_OF)
    assert answer.code == 3, answer.said
    assert f"seen/{entries[0].name}" in answer.err


def test_a_delta_table_is_read_at_one_version(empty: Place) -> None:
    from deltalake import DeltaTable, write_deltalake

    days = ["2013-03-01", "2013-03-02"]
    for day in days:
        table = pq.ParquetFile(empty.data / f"flights/{day}.parquet").read()
        table = table.append_column("day", pa.array([day] * table.num_rows))
        write_deltalake(empty.data / "lake", table, mode="append", partition_by=["day"])
    lake = {"path": "lake", "date_column": "day"}
    newest = configured(empty, source={"path": None, "delta": lake})
    assert landed_dates(empty.workspace, newest) == days
    first = kept(empty, newest, "batch", *days, "2013-03-03")
    assert [ref.version for ref in first] == ["Delta version 1"] * 2
    delivered = pq.ParquetFile(empty.data / f"flights/{DAY}.parquet").read().to_pandas()
    pd.testing.assert_frame_equal(rows_of(empty.workspace, first[1]).drop(columns="day"), delivered, check_dtype=False)
    DeltaTable(empty.data / "lake").delete("day = '2013-03-01'")
    later = kept(empty, newest, "batch", *days)
    assert [(ref.name, ref.digest) for ref in later] == [(DAY.isoformat(), first[1].digest)]
    pinned = configured(empty, source={"delta": {**lake, "version": 1}})
    assert kept(empty, pinned, "batch", *days) == first
    gone = configured(empty, source={"delta": {**lake, "version": 9}})
    with pytest.raises(DataError, match="Cannot read the Delta table lake at version 9"):
        kept(empty, gone, "batch", *days)


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A stand-in for S3 on a free port of this machine."""
    with moto_server() as address:
        yield address


@pytest.mark.parametrize("versioned", [False, True])
def test_files_on_s3_are_kept_with_their_version(
    empty: Place, endpoint: str, monkeypatch: pytest.MonkeyPatch, versioned: bool
) -> None:
    from plimsoll.platform_config import StoreConfig
    from tasks.bucket_source import BucketSource
    from tasks.s3_client import connect

    monkeypatch.setenv("PLIMSOLL_SNAPSHOT__ENDPOINT_URL", endpoint)
    client, bucket = connect(StoreConfig(endpoint_url=endpoint)), f"lake-{str(versioned).lower()}"
    client.create_bucket(Bucket=bucket)
    if versioned:
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for day in ("2013-03-01", "2013-03-02"):
        data = (empty.data / f"flights/{day}.parquet").read_bytes()
        client.put_object(Bucket=bucket, Key=f"team/flights/{day}.parquet", Body=data)
    client.put_object(Bucket=bucket, Key="team/flights/notes.parquet", Body=b"")
    config = configured(empty, source={"path": f"s3://{bucket}/team/flights"})
    assert landed_dates(empty.workspace, config) == ["2013-03-01", "2013-03-02"]
    first = kept(empty, config, "batch", "2013-03-01", "2013-03-02", "2013-03-03")
    assert [ref.name for ref in first] == ["2013-03-01", "2013-03-02"]
    assert all(ref.version.startswith("VersionId " if versioned else "ETag ") for ref in first)
    assert get_object(empty.workspace.store, first[1].digest) == empty.flights().read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(BucketSource, "_fetch", lambda *_: pytest.fail("it was read again"))
        assert kept(empty, config, "batch", "2013-03-01", "2013-03-02") == first
    client.put_object(Bucket=bucket, Key="team/flights/2013-03-02.parquet", Body=b"other")
    assert kept(empty, config, "batch", "2013-03-02")[0].bytes == 5
    nowhere = configured(empty, source={"path": "s3://nobody-has-this/flights"})
    assert kept(empty, nowhere, "batch", "2013-03-02") == ()


def test_two_snapshots_tell_what_differs(judged: Place, plimsoll: Cli) -> None:
    for _ in range(2):
        assert plimsoll("train", MODEL, "--as-of", AS_OF).code == 0
        (judged.data / "flights/2013-02-20.parquet").write_bytes(judged.flights().read_bytes())
        (judged.data / "flights/2013-02-21.parquet").unlink(missing_ok=True)
    store = judged.workspace.store
    old, new = (load_snapshot(store, record["end"]["snapshots"][0]) for record in judged.records()[:2])
    said = describe_difference(old, new)
    assert any(line.startswith("batch 2013-02-20: ") and "rows before" in line for line in said)
    assert "batch: 1 file gone (2013-02-21)" in said
