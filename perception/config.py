"""The one configuration of a run: from a YAML profile, the command line or code."""

from pathlib import Path
from typing import Any, Self

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
from perception.engines import ENGINES
from perception.errors import ConfigError
from perception.sinks import kind_of


class RunConfig(BaseModel):
    """What `perception run` does.

    Attributes:
        source: URI of the source.
        sinks: URIs of the sinks, at least one.
        model: name of a shipped bundle, or a bundle's folder.
        engine: "auto", or one of `perception.engines.ENGINES`.
        frames: stop after so many captured frames; None: at the source's end.
        max_age: ms from capture (for a recording: from reading, in real time from when the frame was due) to
            publication above which a scene is published as stale; None: never.
        realtime: replay a recording at its own pace, and drop what cannot be kept up with.
        instances: how road users are told apart: "auto", or one of `perception.decode.instances.WAYS`.
        crf: refine class maps by a fully connected CRF; see `perception.decode.crf`.
        denoise: name or folder of a bundle that restores each frame before the network sees it.
        tracks: give instances ids that stay with them from frame to frame, and steady the lanes.
        workers: frames in the network at a time; 0: one for each core.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)
    sinks: tuple[str, ...] = Field(min_length=1)
    model: str = Field("drive", min_length=1)
    engine: str = "auto"
    frames: PositiveInt | None = None
    max_age: PositiveFloat | None = None
    realtime: bool = False
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
        places = [Path(sink).resolve() for sink in self.sinks]
        for sink, place in zip(self.sinks, places, strict=True):
            if places.count(place) > 1:
                raise ValueError(f"sink {sink} is given twice; give each sink once")
            if place == Path(self.source).resolve():
                raise ValueError(f"sink {sink} would overwrite the source; choose another place")
        return self

    @classmethod
    def read(cls, profile: Path | None, **overrides: Any) -> Self:
        """The profile's values, overridden by every keyword that is not None.

        Raises:
            ConfigError: the profile cannot be read, or a key or a value is wrong; all of them are named.
        """
        values = {} if profile is None else _read_yaml(profile)
        given = {key: value for key, value in overrides.items() if value is not None}
        try:
            return cls.model_validate(values | given)
        except ValidationError as error:
            where = f"configuration {profile}" if profile else "configuration"
            raise ConfigError("\n".join(f"{where}: {line}" for line in _lines(cls, error))) from error


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
    return {str(key): value for key, value in values.items()}


def _lines(model: type[BaseModel], error: ValidationError) -> list[str]:
    """One line for each thing refused: its name, its value, and what is allowed."""
    lines = []
    for one in error.errors():
        name = ".".join(str(part) for part in one["loc"])
        if one["type"] == "extra_forbidden":
            lines.append(f"unknown key {name}; known are {', '.join(model.model_fields)}")
        elif one["type"] == "missing":
            lines.append(f"{name} is missing: give it in the profile or on the command line")
        else:
            message = one["msg"].removeprefix("Value error, ")
            subject = f"{name} = {one['input']!r} is refused: " if name else ""
            lines.append(f"{subject}{message[0].lower()}{message[1:]}")
    return lines
