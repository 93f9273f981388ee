"""The report as one file that needs nothing else: it is opened from disk, and fetches nothing."""

import base64
import hashlib
import json
from html import escape
from importlib.resources import files
from typing import Any


def page(values: dict[str, Any]) -> str:
    """The page, with its script, its style and the values inside.

    Names of drives and reasons are anybody's text: they stand in a block of JSON that cannot be left, the
    script sets them as text, and the policy runs no other script.
    """
    parts = files(__package__) / "page"
    template, style, script = (
        (parts / name).read_text(encoding="utf-8") for name in ("index.html", "style.css", "main.js")
    )
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    # Where JSON has <, it is in a string.
    data = json.dumps(values, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    shown = {
        "POLICY": policy,
        "TITLE": escape(values["fleet"]),
        "STYLE": style,
        "DATA": data,
        "SCRIPT": script,
    }
    head, *rest = template.split("{{")
    return head + "".join(f"{shown[name]}{text}" for name, _, text in (part.partition("}}") for part in rest))


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
