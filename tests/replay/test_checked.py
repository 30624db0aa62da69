"""Files of checksummed records: torn ends, damage, and reading that grows with the file alone."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robot_rl.errors import CorruptFileError
from robot_rl.replay.checked import Layout

LAYOUT = Layout(b"TST1", struct.Struct("<I"), "Mend it.")
payloads = st.lists(st.binary(max_size=40), min_size=1, max_size=6)


def packed(bodies: list[bytes]) -> list[bytes]:
    return [LAYOUT.pack((i,), body) for i, body in enumerate(bodies)]


@settings(max_examples=40)
@given(bodies=payloads, zeros=st.integers(0, 80), data=st.data())
def test_whole_records_are_read_and_a_torn_end_is_cut(tmp_path_factory, bodies, zeros, data):
    path = tmp_path_factory.mktemp("records") / "file"
    records = packed(bodies)
    cut = data.draw(st.integers(0, len(records[-1]) - 1))
    whole = b"".join(records[:-1])
    path.write_bytes(whole + records[-1][:cut] + bytes(zeros if not cut else 0))
    wanted = [((i,), body) for i, body in enumerate(bodies[:-1])]
    assert list(LAYOUT.read(path)) == wanted
    assert list(LAYOUT.read(path, repair=True)) == wanted
    assert path.read_bytes() == whole


@settings(max_examples=150)
@given(bodies=payloads.filter(lambda b: len(b) > 1), data=st.data())
def test_a_flipped_bit_before_the_last_record_is_damage(tmp_path_factory, bodies, data):
    path = tmp_path_factory.mktemp("records") / "file"
    records = packed(bodies)
    damaged = bytearray(b"".join(records))
    bit = data.draw(st.integers(0, 8 * (len(damaged) - len(records[-1])) - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    path.write_bytes(damaged)
    with pytest.raises(CorruptFileError, match=r"is damaged at byte \d+: .* Mend it\."):
        list(LAYOUT.read(path, repair=True))
    assert path.read_bytes() == damaged


def test_a_length_that_reaches_beyond_the_file_does_not_pass_for_a_torn_end(tmp_path):
    """Else everything that was recorded after it would be cut off."""
    path = tmp_path / "file"
    first, *rest = packed([b"one", b"two", b"three"])
    path.write_bytes(first[:4] + struct.pack("<I", 10_000) + first[8:] + b"".join(rest))
    with pytest.raises(CorruptFileError, match="at byte 0: a record fails its checksum"):
        list(LAYOUT.read(path, repair=True))


class Counted(io.BytesIO):
    """Counts the bytes that are copied out of it."""

    copied = 0

    def read(self, size: int | None = -1, /) -> bytes:
        found = super().read(size)
        self.copied += len(found)
        return found


@pytest.mark.parametrize("count", [10, 1000])
def test_reading_copies_every_byte_once(count):
    """Defect: the rest of the file was copied for every record, so time grew with its square."""
    file = Counted(b"".join(packed([np.random.default_rng(i).bytes(300) for i in range(count)])))
    size = len(file.getbuffer())
    place = 0
    while place < size:
        assert LAYOUT.next(file, size - place) is not None
        place = file.tell()
    assert file.copied == size
