"""The one base of every error a user can cause or must know of."""


class PerceptionError(Exception):
    """Base of all errors raised on purpose; the message names the thing, its value, the limit, the remedy."""


def in_words(error: BaseException) -> str:
    """What it says; of one that was not raised on purpose, with its kind."""
    return str(error) if isinstance(error, PerceptionError) else f"{type(error).__name__}: {error}"


class ConfigError(PerceptionError):
    """A configuration, a URI or an argument that cannot be used."""


class SourceError(PerceptionError):
    """A source that cannot be opened, or that broke while it was read."""


class SinkError(PerceptionError):
    """A sink that cannot be opened or written."""


class BundleError(PerceptionError):
    """A model bundle that is incomplete, altered, or does not reproduce its golden output."""


class EngineError(PerceptionError):
    """An engine that was asked for and cannot run here."""


class DataError(PerceptionError):
    """A data set, a label or a checkpoint that cannot be read."""
