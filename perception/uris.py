"""URIs as they may be shown: without what opens a camera to others."""

import re

_USER = re.compile(r"(?<=://)([^/@\s:]+):[^/@\s]+@")
_SECRET = re.compile(r"(?i)([?&#](?:[a-z_-]*(?:token|passw(?:or)?d|secret|key|auth))=)[^&#\s]+")


def masked(text: str) -> str:
    """The text with the passwords and tokens of the URIs in it as ***."""
    return _SECRET.sub(r"\1***", _USER.sub(r"\1:***@", text))
