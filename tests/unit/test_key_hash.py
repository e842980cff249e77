"""Hashes of keys: the same for ever, different for what looks alike, and a digest of scores in any order."""

import numpy as np
import pyarrow as pa

from plimsoll.key_hash import BITS, key_hashes
from plimsoll.scores_digest import scores_digest

EXPECTED = [248629889170205, 103364286930590, 56078588134898, 205835044098425]


def test_a_hash_never_changes() -> None:
    found = key_hashes(pa.array(["", "a", "2013-06-30/UA1736/EWR", "Zürich"])).tolist()
    assert found == EXPECTED, "an index that lies on a disk was written with these"


def test_keys_that_look_alike_differ() -> None:
    keys = ["a", "a\0", "\0a", "ab", "ba", "a" * 8, "a" * 9, "a" * 16, "abcdefgh1", "abcdefgh2", ""]
    assert len(set(key_hashes(pa.array(keys)).tolist())) == len(keys)


def test_a_slice_and_a_large_array_hash_as_their_keys_do() -> None:
    keys = pa.array([f"key-{n}" for n in range(1000)])
    whole = key_hashes(keys)
    assert (key_hashes(keys.slice(990)) == whole[990:]).all()
    assert (key_hashes(keys.cast(pa.large_string())) == whole).all()
    assert len(np.unique(whole)) == 1000
    assert whole.min() >= 0
    assert whole.max() < 2**BITS


def test_hashes_are_spread_evenly() -> None:
    hashes = key_hashes(pa.array([f"2013-06-30/{n}" for n in range(20_000)]))
    counts = np.bincount(hashes >> (BITS - 4), minlength=16)
    assert counts.min() > 1100
    assert counts.max() < 1400


def test_the_digest_of_scores_knows_no_order_and_every_bit() -> None:
    rows = {"version": pa.array([1, 1, 2], pa.int32()), "key": ["b", "a", "a"], "score": [0.1, 0.2, 0.3]}
    table = pa.table(rows)
    digest = scores_digest(table)
    assert scores_digest(table.take([2, 0, 1])) == digest
    assert scores_digest(pa.concat_tables([table.slice(1), table.slice(0, 1)])) == digest
    assert scores_digest(table.set_column(1, "key", pa.array(["b", "a", "a"], pa.large_string()))) == digest
    changed = [
        pa.table(rows | {"score": [0.1, 0.2, np.nextafter(0.3, 1)]}),
        pa.table(rows | {"key": ["b", "a", "b"]}),
        pa.table(rows | {"version": pa.array([1, 2, 2], pa.int32())}),
        table.slice(0, 2),
    ]
    assert len({digest, *map(scores_digest, changed)}) == 5
