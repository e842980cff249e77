"""Hashes of row keys: 48 bits each, the same on every machine, thousands of keys in one numpy step.

They only say where to look: whoever finds a row by a hash compares the key itself.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pyarrow as pa

Hashes = npt.NDArray[np.int64]
WORD = 8  # bytes taken at a time
BITS = 48
MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # splitmix64 (Steele et al. 2014)
SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


def key_hashes(keys: "pa.Array") -> Hashes:
    """Return one number below 2**48 per key, spread evenly; keys is a string array without nulls.

    A key is its UTF-8 bytes in words of eight, the last one filled up with zeros, each mixed in turn by splitmix64;
    its length comes first, so that zeros at its end count.
    """
    import pyarrow as pa

    plain = keys.cast(pa.large_string())
    ends = np.frombuffer(plain.buffers()[1], dtype=np.int64)[plain.offset : plain.offset + len(plain) + 1]
    starts, lengths = ends[:-1], np.diff(ends)
    data = np.append(np.frombuffer(plain.buffers()[2] or b"", dtype=np.uint8), np.zeros(WORD, dtype=np.uint8))
    words = np.ndarray((len(data) - WORD + 1,), dtype="<u8", buffer=data, strides=(1,))  # a word at every byte
    hashes = _mix(lengths.astype(np.uint64))
    for at in range(0, int(lengths.max(initial=0)), WORD):
        longer = np.flatnonzero(lengths > at)
        bits = (8 * np.minimum(lengths[longer] - at, WORD)).astype(np.uint64)
        kept = np.uint64(2**64 - 1) >> (np.uint64(64) - bits)
        hashes[longer] = _mix(hashes[longer] ^ (words[starts[longer] + at] & kept))
    return (hashes >> np.uint64(64 - BITS)).astype(np.int64)


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return values after one step of splitmix64."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> SHIFTS[0])) * MULTIPLIERS[0]
    mixed = (mixed ^ (mixed >> SHIFTS[1])) * MULTIPLIERS[1]
    return mixed ^ (mixed >> SHIFTS[2])
