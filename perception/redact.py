"""URIs as they may be shown: without what opens a camera to others."""

import re

_NAMES = r"[\w.-]*(?:token|passw(?:or)?d|pass|pwd|-pw|secret|key|auth|signature|credential)"
_VALUE = r"""[^&#\s"<>]+?(?=[)\]}',.:;]*(?:[&#\s"<>]|$))"""  # not with what ends the sentence around it
_RULES = (
    # user:password@ before the host, up to the last @ of it.
    (r"(?<=://)([^\s/?#:@\[\]]*:)[^\s/?#]+@", r"\1***@"),
    # A password with / ? or # in it, which no URI should have but many are given; a port is no password.
    (r"(?<=://)([^\s/?#:@\[\]]*:)(?!\d{0,5}[/?#])[^\s/?#@]*[/?#](?:(?!://)[^\s\"<>])*@", r"\1***@"),
    # The same, and options, in a URI that is itself the value of an option.
    (r"(?<=%3a%2f%2f)((?:(?!%3a|%40|%2f)[^\s&#/?])*%3a)(?:(?!%2f)[^\s&#/?])+%40", r"\1***%40"),
    (rf"((?:%3f|%26|%23){_NAMES}%3d)(?:(?!%26|%23)[^\s&#\"<>])+", r"\1***"),
    # Options of a URI, in its query or fragment; some cameras take them in the path, GStreamer as words.
    (rf"((?:[?&#;/]|(?<=[\s_])(?=user-pw|passw)){_NAMES}=){_VALUE}", r"\1***"),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), shown) for pattern, shown in _RULES)


def masked(text: str) -> str:
    """The text with the passwords and tokens of the URIs in it as ***; masking it again changes nothing.

    A user's name is no secret, nor is what stands before a host without a colon.
    """
    for pattern, shown in _COMPILED:
        text = pattern.sub(shown, text)
    return text
