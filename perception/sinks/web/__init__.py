"""The live page: what the node sees, how old that is and whether to trust it, in a browser."""

from perception.sinks.web.sink import WebSink, open_web

__all__ = ["WebSink", "open_web"]
