"""One timeline for recordings put one after another in one file: its stamps never run back."""

from fractions import Fraction

_DISORDER = 5  # periods; a decoder that learns late how far pictures are reordered gives some out of order
_WRAP_S = Fraction(2**33, 90_000)  # MPEG's clock starts again at 0 after 26.5 h, in the middle of a recording
_WRAP_NEAR_S = 10


class Timeline:
    """Turns the times of pictures into stamps, in ns from the first one.

    A time before the last one is the beginning of another recording. It goes on one period after the last
    picture. A jump ahead is a gap, and stays one.

    Args:
        rate: frames per second, where the times do not say it.
        wraps: the times are MPEG's, of 33 bits.

    Attributes:
        recording: the number of the recording that the last picture is from, from 0.
    """

    def __init__(self, rate: float, *, wraps: bool = False) -> None:
        self._wraps = wraps
        self._period = 1 / Fraction(rate)
        self._shift = self._last = Fraction(0)  # seconds: from its time to its stamp; the last stamp
        self._sequence = -1
        self.recording = 0

    def stamp_ns(self, seconds: Fraction | None, sequence: int) -> int:
        """For each picture, in order; None: it has no time."""
        step = (sequence - self._sequence) * self._period
        if self._sequence < 0:
            self._shift, now = -(seconds or Fraction(0)), Fraction(0)
        elif seconds is None:
            now = self._last + step
        else:
            now = seconds + self._shift
            for turn in (_WRAP_S, -_WRAP_S) if self._wraps else ():  # FFmpeg takes some of them back
                if abs(now + turn - self._last) < _WRAP_NEAR_S:
                    self._shift += turn
                    now += turn
                    break
            if now < self._last - _DISORDER * self._period:
                self.recording += 1
                self._shift += self._last + self._period - now
                now = self._last + self._period
        self._last, self._sequence = max(now, self._last), sequence
        return round(self._last * 10**9)


def spliced(sequence: int) -> str:
    """For people: a note of the source."""
    return (
        f"another recording begins at frame {sequence}; stamps go on after the last one, tracks start again"
    )
