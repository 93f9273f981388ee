"""How live sources wait for a camera, and say that it is lost or there again: the same for all of them."""

import logging
from dataclasses import replace

from perception.health.types import Link, LinkState
from perception.redact import masked, printable

SILENCE_S = 1.0  # a stream without a whole picture for so long is lost
PAUSES_S = (0.2, 5.0)  # between two tries: doubled from the first up to the last
GOOD_S = 1.0  # frames for so long, and the pauses start again from the first
MOST_SAID = 1000  # characters of what a camera or a library says
_log = logging.getLogger("perception.sources")


def silent(seconds: float) -> str:
    """The reason of a loss: that nothing whole came for so long."""
    return f"silent for {seconds:.0f} s"


def lost(link: Link, uri: str, reason: str) -> Link:
    """The link of a camera that is lost; each new reason is logged."""
    reason = printable(masked(reason[:MOST_SAID]))
    if reason != link.reason:
        _log.warning("%s: lost: %s; trying again", uri, reason, extra={"event": "stream_lost"})
    return replace(link, state=LinkState.LOST, reason=reason, lag_ms=0.0, waited_ms=0.0)


def log_found(link: Link, uri: str) -> None:
    """For each picture, before its link is set: it is logged that a camera that was lost is there again."""
    if link.state is LinkState.LOST:
        _log.info("%s: streaming again", uri, extra={"event": "stream_found"})
