"""Which topic of a recording is the camera's picture, and which ones stand beside it."""

from perception.errors import ConfigError
from perception.interchange.messages.images import kind_of
from perception.sources.log.base import Log, Topic
from perception.types import NS_PER_S

# Names of transports behind the picture's own: /front/image_raw/compressed.
_TRANSPORTS = frozenset({"compressed", "h264", "h265", "video", "image", "ffmpeg"})


def choose_topic(log: Log, wanted: str | None) -> str:
    """The topic that was asked for, else the only one with pictures of a camera.

    Raises:
        ConfigError: there is none, are several, or the one asked for has no pictures; lists them.
    """
    pictures = [one for one in log.topics if kind_of(one.schema.name) and one.count != 0]
    if wanted is not None:
        if any(one.name == wanted for one in pictures):
            return wanted
        found = [one for one in log.topics if one.name == wanted]
        there = f"holds no pictures but {describe(found[0], log)}" if found else "is not in this recording"
        raise ConfigError(f"topic {wanted} {there}; {_listed(pictures, log)}")
    names = {one.name for one in pictures if not one.derived and not one.name.endswith("/compressedDepth")}
    if len(names) == 1:
        return names.pop()
    raise ConfigError(_listed(pictures, log))


def describe(topic: Topic, log: Log) -> str:
    """For people: type, count and rate."""
    count = "" if topic.count is None else f", {topic.count} messages"
    rate = rate_of(topic, log)
    return f"{topic.schema.name or 'no type'}{count}{f', {rate:.3g} a second' if rate else ''}"


def rate_of(topic: Topic, log: Log) -> float | None:
    """Messages a second; None: unknown."""
    span = log.end_ns - log.start_ns
    return (topic.count - 1) * NS_PER_S / span if span > 0 and topic.count and topic.count > 1 else None


def is_beside(name: str, picture: str) -> bool:
    """Whether a topic is named as one that belongs to this picture: /front/camera_info, /front/image_raw."""
    parents = [picture.rpartition("/")[0]]
    if picture.rpartition("/")[2] in _TRANSPORTS:
        parents.append(parents[0].rpartition("/")[0])
    return name.rpartition("/")[0] in parents


def _listed(pictures: list[Topic], log: Log) -> str:
    if not pictures:
        kinds = sorted({one.schema.name for one in log.topics if one.schema.name})
        return f"no topic with pictures; there are {', '.join(kinds) or 'no messages at all'}"
    listed = "; ".join(f"{one.name} ({describe(one, log)})" for one in pictures)
    return f"choose one by ?topic=: {listed}"
