"""An edit of a feature function: which ones change what it computes."""

import pytest

from plimsoll.feature_source import means_the_same

SOURCE = b'''"""Features."""

WEEK = 7


def build(batch):
    """Return the batch."""
    return batch.assign(day=batch["at"].dt.weekday % WEEK)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Features.", b"Features of a flight."),
        (b'    """Return the batch."""\n', b""),
        (b"    return", b"    # why\n\n    return"),
        (b"return batch.assign(", b"return batch.assign(\n        "),
        (b"WEEK = 7", b"WEEK = 7  # days"),
        (b'"at"', b"'at'"),
    ],
)
def test_words_and_layout_change_nothing(old: bytes, new: bytes) -> None:
    assert old in SOURCE
    assert means_the_same(SOURCE, SOURCE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"WEEK = 7", b"WEEK = 8"),
        (b".weekday", b".month"),
        (b"batch.assign", b"batch.copy().assign"),
        (b"def build", b"def built"),
        (b'"at"', b'"AT"'),
        (b"def build", b"def build("),
        (b"WEEK = 7", b"WEEK = \xff"),
    ],
)
def test_anything_that_is_computed_otherwise_is_seen(old: bytes, new: bytes) -> None:
    assert old in SOURCE
    assert not means_the_same(SOURCE, SOURCE.replace(old, new))


def test_a_text_that_is_no_docstring_counts() -> None:
    one, other = b"def f():\n    x = 'a'\n    return x", b"def f():\n    x = 'b'\n    return x"
    assert not means_the_same(one, other)
    assert means_the_same(b"def f():\n    'only words'", b"def f():\n    pass")
