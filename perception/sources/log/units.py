"""The NAL units of H.264 and H.265 in Annex B form, as far as a recording needs them."""

from collections.abc import Iterator

from perception.sources.access_units import parameter_sets

_START = b"\0\0\1"
_ESCAPED, _PLAIN = b"\0\0\3", b"\0\0"
_SLICE, _IDR, _SPS = 1, 5, 7  # of H.264, table 7-1
_HEADER = 64  # bytes that hold all of a slice's header that is read
# Profiles whose sequence parameter set has a chroma format (7.3.2.1.1).
_HIGH = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


def _leading_units(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of the units of H.264 up to the first slice, of which only the beginning is given."""
    place = data.find(_START)
    while place >= 0 and place + 3 < len(data):
        begin = place + len(_START)
        kind = data[begin] & 0x1F
        if _SLICE <= kind <= _IDR:
            yield kind, data[begin : begin + _HEADER]
            return
        place = data.find(_START, begin)
        yield kind, data[begin : place if place >= 0 else len(data)].rstrip(b"\0")


class ParameterSets:
    """Puts the parameter sets before key frames that come without, as later ones of an open GOP may."""

    def __init__(self, form: str) -> None:
        self._form, self._known = form, b""

    def take(self, data: bytes) -> None:
        """For each access unit, in order."""
        self._known = parameter_sets(data, self._form) or self._known

    def complete(self, data: bytes) -> bytes:
        """The access unit of a key frame, with them."""
        return data if parameter_sets(data, self._form) else self._known + data


class FrameNumbers:
    """Finds access units of H.264 that are missing, which FFmpeg conceals without a word.

    Pictures that others refer to are counted (7.4.3, frame_num), so that a gap shows.
    """

    def __init__(self) -> None:
        self._bits = 0  # of the number; 0: not known yet
        self._gaps = self._separate = False
        self._last: int | None = None

    def forget(self) -> None:
        """What comes next does not go on from what came last."""
        self._last = None

    def missing(self, data: bytes) -> bool:
        """Whether something is missing before this access unit; for each, in order."""
        try:
            return self._missing(data)
        except IndexError:  # cut short: the decoder has a word to say about it
            return False

    def _missing(self, data: bytes) -> bool:
        for kind, unit in _leading_units(data):
            if kind == _SPS:
                self._read_set(unit)
            elif kind in (_SLICE, _IDR) and self._bits:
                bits = _Bits(unit[1:])
                for _ in range(3):  # first_mb_in_slice, slice_type, pic_parameter_set_id
                    bits.golomb()
                bits.take(2 * self._separate)
                number, last, most = bits.take(self._bits), self._last, 1 << self._bits
                lost = kind != _IDR and last is not None and number not in (last, (last + 1) % most)
                # A picture that none refers to (nal_ref_idc 0) has the number that comes again after it.
                counts = unit[0] & 0x60 or number == last
                self._last = number if counts else (number - 1) % most
                return lost and not self._gaps
        return False

    def _read_set(self, unit: bytes) -> None:
        """Sequence parameter set (7.3.2.1.1)."""
        self._bits = 0
        bits = _Bits(unit[4:])
        bits.golomb()  # its number
        self._separate = False
        if unit[1] in _HIGH:
            if bits.golomb() == 3:  # chroma_format_idc
                self._separate = bool(bits.take(1))
            bits.golomb(), bits.golomb(), bits.take(1)  # bit depths, qpprime_y_zero_transform_bypass_flag
            if bits.take(1):  # scaling lists, which cameras do not send: not looked into, nor counted then
                return
        size = bits.golomb() + 4
        order = bits.golomb()
        if order == 0:
            bits.golomb()
        elif order == 1:
            bits.take(1)
            for _ in range(2):
                bits.golomb()
            for _ in range(bits.golomb()):
                bits.golomb()
        bits.golomb()  # max_num_ref_frames
        self._gaps = bool(bits.take(1))
        self._bits = size


class _Bits:
    """Reads bits; raises IndexError behind the last one."""

    def __init__(self, unit: bytes) -> None:
        plain = unit.replace(_ESCAPED, _PLAIN)
        self._value, self._left = int.from_bytes(plain), 8 * len(plain)

    def take(self, count: int) -> int:
        if count > self._left:
            raise IndexError("behind the end")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def golomb(self) -> int:
        """An unsigned Exp-Golomb code (9.1)."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)
