"""Texts as they may be shown: without what opens a camera to others, or what would lead a terminal."""

import re

_NAMES = (
    r"(?:[\w.-]*(?:token|passw(?:or)?d|passphrase|passcode|pass|pas|pwd|psw|psk|[-_]pw|secret|key|auth|sig"
    r"|signature|credentials?|jwt)|(?:login|user|usr)?pw|p|pin)"
)
_VALUE = r"""[^&#\s"<>]+?(?=[)\]}',.:;]*(?:[&#\s"<>]|$))"""  # not with what ends the sentence around it
_RULES = (
    # user:password@ before the host, up to the last @ of it.
    (r"(?<=://)([^\s/?#:@\[\]]*:)[^\s/?#]+@", r"\1***@"),
    # A password with / ? or # in it, which no URI should have but many are given; a port is no password.
    (r"(?<=://)([^\s/?#:@\[\]]*:)(?!\d{0,5}[/?#])[^\s/?#@]*[/?#](?:(?!://)[^\s\"<>])*@", r"\1***@"),
    # user:password@ of an address without its scheme.
    (
        r"((?:^|(?<=[\s'\"(<,=])|(?<=:/))[\w.%+-]+:)[^\s/?#@'\"]+(?=@(?:[\w-]+(?:\.[\w-]+)+|localhost|\[))",
        r"\1***",
    ),
    # The same, and options, in a URI that is itself the value of an option.
    (r"(?<=%3a%2f%2f)((?:(?!%3a|%40|%2f)[^\s&#/?])*%3a)(?:(?!%2f)[^\s&#/?])+%40", r"\1***%40"),
    (rf"((?:%3f|%26|%23){_NAMES}%3d)(?:(?!%26|%23)[^\s&#\"<>])+", r"\1***"),
    # Options of a URI, in its query or fragment; some cameras take them in the path, GStreamer as words.
    (rf"((?:[?&#;/]|(?<=[\s_])(?=user-pw|passw)){_NAMES}=){_VALUE}", r"\1***"),
)
_COMPILED = tuple((re.compile(pattern, re.IGNORECASE), shown) for pattern, shown in _RULES)


# Control characters, ends of lines, marks of direction, and what is no character.
_LEADING = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""The text in one line, with what a terminal would obey instead of showing it as \x1b, \n, \u202e …"""
    return _LEADING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def masked(text: str) -> str:
    """The text with the passwords and tokens of the URIs in it as ***; masking it again changes nothing.

    A user's name is no secret, nor is what stands before a host without a colon.
    """
    for pattern, shown in _COMPILED:
        text = pattern.sub(shown, text)
    return text
