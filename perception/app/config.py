"""The one configuration of a run: from a YAML profile, the command line or code."""

import os
import re
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from perception.decode.instances import WAYS
from perception.engines.registry import ENGINES
from perception.errors import ConfigError
from perception.redact import masked
from perception.sinks.registry import kind_of, place_of
from perception.types import Policy

EXAMPLE = "as in: perception run drive.mp4 overlay.mp4"


class RunConfig(BaseModel):
    """What `perception run` does.

    Attributes:
        source: URI of the source, or with several cameras none.
        cameras: URIs of several sources by the cameras' names, such as {left: "rtsp://…", right: "rtsp://…"}.
        sinks: URIs of the sinks, at least one; with several cameras, files have `{camera}` in their names.
        model: name of a shipped bundle, or a bundle's folder.
        engine: "auto", or one of `perception.engines.ENGINES`.
        frames: stop after so many captured frames; None: at the source's end.
        max_age: ms from capture (for a recording: from reading, in real time from when the frame was due) to
            publication above which a scene is published as stale; None: 250 for what is live, else never.
        realtime: replay a recording at its own pace, under the policy of a live source.
        policy: what gives way when frames come too fast; None: the freshest counts for what is live, every
            frame for a recording.
        min_rate: scenes a second below which quality is stepped down, where frames may be dropped; 0: never.
        give_up: seconds without a frame from a live source after which the run ends; None: never.
        log: how events are told on stderr: for people or for machines.
        instances: how road users are told apart: "auto", or one of `perception.decode.instances.WAYS`.
        crf: refine class maps by a fully connected CRF; see `perception.decode.crf`.
        denoise: name or folder of a bundle that restores each frame before the network sees it.
        tracks: give instances ids that stay with them from frame to frame, and steady the lanes.
        workers: frames in the network at a time; 0: one for each core.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str | None = Field(None, min_length=1)
    cameras: dict[str, str] = {}
    sinks: tuple[str, ...] = Field(min_length=1)
    model: str = Field("drive", min_length=1)
    engine: str = "auto"
    frames: PositiveInt | None = None
    max_age: PositiveFloat | None = None
    realtime: bool = False
    policy: Policy | None = None
    min_rate: float = Field(10.0, ge=0)
    give_up: PositiveFloat | None = None
    log: Literal["text", "json"] = "text"
    instances: str = "auto"
    crf: bool = False
    denoise: str | None = Field(None, min_length=1)
    tracks: bool = True
    workers: int = Field(0, ge=0, le=256)

    @field_validator("sinks")
    @classmethod
    def _of_known_kinds(cls, sinks: tuple[str, ...]) -> tuple[str, ...]:
        """Before any is opened."""
        for sink in sinks:
            kind_of(sink)
        return sinks

    @field_validator("engine", "instances")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        allowed = ("auto", *(ENGINES if info.field_name == "engine" else WAYS))
        if value not in allowed:
            raise ValueError(f"allowed are {', '.join(allowed)}")
        return value

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Two writers of one file would spoil it, and a sink on its own source would destroy a recording."""
        places = [file.resolve() if (file := place_of(sink)) else sink for sink in self.sinks]
        sources = [Path(source).resolve() for source in self.sources.values()]
        for sink, place in zip(self.sinks, places, strict=True):
            if places.count(place) > 1:
                raise ValueError(f"sink {sink} is given twice; give each sink once")
            if place in sources:
                raise ValueError(f"sink {sink} would overwrite the source; choose another place")
        return self

    @model_validator(mode="after")
    def _of_cameras(self) -> Self:
        if not self.sources:
            raise ValueError(f"source missing: give it in the profile or on the command line, {EXAMPLE}")
        if self.source is not None and self.cameras:
            raise ValueError("source and cameras are both given; give one of them")
        for name in self.cameras:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise ValueError(f"camera {name!r}: a name has letters, digits, - and _ only")
        for sink in self.sinks:
            if self.cameras and kind_of(sink) != "web" and "{camera}" not in sink:
                raise ValueError(
                    f"sink {sink}: {len(self.cameras)} cameras would write the same files; put {{camera}} "
                    "into its name, such as drives/{camera}.mp4"
                )
        return self

    @property
    def sources(self) -> dict[str, str]:
        """URIs by the cameras' names; a single one is called front."""
        return self.cameras or ({"front": self.source} if self.source else {})

    @classmethod
    def read(cls, profile: Path | None, **overrides: Any) -> Self:
        """The profile's values, overridden by every keyword that is not None.

        `${NAME}` in the profile stands for that variable of the environment, such as a URI with a password.
        Where the profile has cameras, the command line's first argument is a sink like the others.

        Raises:
            ConfigError: the profile cannot be read, or a key or a value is wrong; all of them are named.
        """
        values = {} if profile is None else _read_yaml(profile)
        given = {key: value for key, value in overrides.items() if value is not None}
        if values.get("cameras") and "source" in given:
            given["sinks"] = [given.pop("source"), *given.get("sinks", ())]
        try:
            return cls.model_validate(values | given)
        except ValidationError as error:
            where = f"configuration {profile}" if profile else "configuration"
            text = "\n".join(f"{where}: {line}" for line in _lines(cls, error))
            raise ConfigError(masked(text)) from error


def _read_yaml(profile: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(profile.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"configuration {profile}: cannot be read ({error})") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"configuration {profile}: not YAML ({' '.join(str(error).split())})") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"configuration {profile}: holds a {type(values).__name__}; give keys with values")
    return {str(key): _expanded(value, profile) for key, value in values.items()}


def _expanded(value: Any, profile: Path) -> Any:
    """The value with the environment's variables in place of their names."""
    if isinstance(value, list):
        return [_expanded(one, profile) for one in value]
    if isinstance(value, dict):
        return {key: _expanded(one, profile) for key, one in value.items()}
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(
                f"configuration {profile}: {match[0]} is not set; export {match[1]}=… before the start"
            )
        return os.environ[match[1]]

    return re.sub(r"\$\{(\w+)\}", variable, value)


def _lines(model: type[BaseModel], error: ValidationError) -> list[str]:
    """One line for each thing refused: its name, its value, and what is allowed."""
    lines = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            lines.append(f"unknown key {name}; known are {', '.join(model.model_fields)}")
        elif one["type"] == "missing":
            lines.append(f"{name} missing: give them in the profile or on the command line, {EXAMPLE}")
        else:
            message = one["msg"].removeprefix("Value error, ")
            subject = f"{name} = {one['input']!r} is refused: " if name else ""
            lines.append(f"{subject}{message[0].lower()}{message[1:]}")
    return lines
