"""The one configuration of a run: from a YAML profile, the command line or code."""

import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from perception.decode.instances import WAYS
from perception.decode.scores import ALL, read_scores
from perception.engines.registry import known_engines
from perception.errors import ConfigError
from perception.parsing import faults, read_yaml
from perception.picture_size import MAX_PIXELS
from perception.redact import masked, printable
from perception.sinks.base import SinkUri
from perception.sinks.registry import SINKS
from perception.sources.base import SourceUri
from perception.sources.registry import SOURCES
from perception.types import Policy
from perception.uri import K, Kinds

AUTO = "auto"
EXAMPLE = "as in: perception run drive.mp4 overlay.mp4"


def _parser(kinds: "Kinds[K]") -> PlainValidator:
    """URIs become values of their kinds here, and only here."""

    def parse(value: Any) -> Any:
        if not isinstance(value, str) or not value:
            raise ValueError("should be a text with at least 1 character")
        return kinds.parse(value)

    return PlainValidator(parse)


def _by_class(value: Any) -> Any:
    """0.4, or texts of the command line such as "0.4" and "pedestrian=0.5", as a mapping of names."""
    if isinstance(value, int | float):
        return {ALL: value}
    texts = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return read_scores(value) if texts else value


Source = Annotated[SourceUri, _parser(SOURCES)]
Sink = Annotated[SinkUri, _parser(SINKS)]


ByCamera = str | dict[str, str] | None  # of the only camera, or by the cameras' names


class RunConfig(BaseModel):
    """What `perception run` does.

    Attributes:
        source: URI of the source, or with several cameras none.
        cameras: URIs of several sources by the cameras' names, such as {left: "rtsp://…", right: "rtsp://…"}.
        sinks: URIs of the sinks; with several cameras, files have `{camera}` in their names. None:
            `perception.app.place` chooses.
        model: name of a shipped bundle, or a bundle's folder.
        engine: "auto", or one of `perception.engines.registry.known_engines`.
        frames: stop after so many captured frames; None: at the source's end.
        max_age: ms from capture (for a recording: from reading, in real time from when the frame was due) to
            publication above which a scene is published as stale; None: 250 for what is live, else never.
        realtime: replay a recording at its own pace, under the policy of a live source.
        loop: begin a recording again at its end, without end; in real time only.
        policy: what gives way when frames come too fast; None: the freshest counts for what is live, every
            frame for a recording.
        min_rate: scenes a second below which quality is stepped down, where frames may be dropped, as it is
            where most scenes are stale; 0: quality is never stepped down.
        give_up: seconds without a frame from a live source after which the run ends; None: never.
        log: how events are written on stderr: for people or for machines.
        instances: how road users are separated: "auto", or one of `perception.decode.instances.WAYS`.
        crf: refine class maps by a fully connected CRF; see `perception.decode.crf`.
        denoise: name or folder of a bundle that restores each frame before the network sees it.
        pixels: of the network's input, height × width; None: the model's own.
        ego_mask: a picture that is not black where the own car is in view, such as its bonnet: nothing is
            detected there; "auto": found in a recording. With several cameras, by their names.
        calibration: a file with the camera's lens and mount, for metres; None: what the source knows. With
            several cameras, by their names.
        min_score: from which on road users are published, 0 to 1: a number, or by the classes' names, with
            "all" for those that are not named; empty: the model's own for each class.
        tracks: give instances ids that stay with them from frame to frame, and steady labels and lanes.
        details: write the rate, the engine and the times of the stages on overlays.
        workers: frames in the network at a time; 0: one for each core.
        max_pixels: larger pictures are not decoded: a small file may hold one that takes all memory.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    source: Source | None = None
    cameras: dict[str, Source] = {}
    sinks: tuple[Sink, ...] = ()
    model: str = Field("drive", min_length=1)
    engine: str = "auto"
    frames: PositiveInt | None = None
    max_age: PositiveFloat | None = None
    realtime: bool = False
    loop: bool = False
    policy: Policy | None = None
    min_rate: float = Field(10.0, ge=0)
    give_up: PositiveFloat | None = None
    log: Literal["text", "json"] = "text"
    instances: str = "auto"
    crf: bool = False
    denoise: str | None = Field(None, min_length=1)
    pixels: PositiveInt | None = None
    ego_mask: ByCamera = None
    calibration: ByCamera = None
    min_score: Annotated[dict[str, float], BeforeValidator(_by_class)] = {}
    tracks: bool = True
    details: bool = False
    workers: int = Field(0, ge=0, le=256)
    max_pixels: PositiveInt = MAX_PIXELS

    @field_validator(
        "frames",
        "max_age",
        "min_rate",
        "give_up",
        "min_score",
        "pixels",
        "workers",
        "max_pixels",
        mode="before",
    )
    @classmethod
    def _number(cls, value: object) -> object:
        if isinstance(value, bool):  # else 1 or 0
            raise ValueError("it must be a number")  # noqa: TRY004 - others are no answer to a profile
        return value

    @field_validator("engine", "instances")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        allowed = ("auto", *(known_engines() if info.field_name == "engine" else WAYS))
        if value not in allowed:
            raise ValueError(f"allowed are {', '.join(allowed)}")
        return value

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """Two writers of one file would spoil it, and a sink on its own source would destroy a recording."""
        sources = [source.path.resolve() for source in self.sources.values() if source.path]
        plain = [sink for sink in self.sinks if sink.kind.single and "?" not in str(sink)]
        if len(plain) > 1:  # as of `perception run *.jpg`
            raise ValueError(
                "several pictures are given as sinks, and would be overwritten; a source of several pictures "
                "is their folder"
            )
        # Each camera has files of its own where a sink's name holds {camera}.
        places = [
            {one.path.resolve() if one.path else one.uri for one in self._of_all_cameras(sink)}
            for sink in self.sinks
        ]
        for k, (sink, own) in enumerate(zip(self.sinks, places, strict=True)):
            if any(own & others for others in (*places[:k], *places[k + 1 :])):
                raise ValueError(f"sink {sink} is given twice; give each sink once")
            if own.intersection(sources):
                raise ValueError(f"sink {sink} would overwrite the source; choose another place")
        return self

    def _of_all_cameras(self, sink: SinkUri) -> list[SinkUri]:
        texts = {sink.uri.text.replace("{camera}", camera) for camera in self.sources}
        return [SINKS.parse(text) for text in sorted(texts)] or [sink]

    @model_validator(mode="after")
    def _in_real_time(self) -> Self:
        if self.loop and not self.realtime:  # at full speed it would fill a disk
            raise ValueError("loop: is for real time; add realtime (--realtime)")
        return self

    @model_validator(mode="after")
    def _of_cameras(self) -> Self:
        if not self.sources:
            raise ValueError(f"source missing: give it in the profile or on the command line, {EXAMPLE}")
        if self.source is not None and self.cameras:
            raise ValueError("source and cameras are both given; give one of them")
        for key, value in (("ego_mask", self.ego_mask), ("calibration", self.calibration)):
            if self.cameras and isinstance(value, str) and (key, value) != ("ego_mask", AUTO):
                raise ValueError(f"{key}: is one file for several cameras; give one for each, by its name")
            for name in self.by_camera(value).keys() - self.sources.keys():
                raise ValueError(f"{key}: no camera {name}; there are {', '.join(self.sources)}")
        for name in self.cameras:
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                raise ValueError(f"camera {name!r}: a name has letters, digits, - and _ only")
        for sink in self.sinks:
            if self.cameras and not sink.kind.shared and "{camera}" not in sink.uri.text:
                raise ValueError(
                    f"sink {sink}: {len(self.cameras)} cameras would write the same files; put {{camera}} "
                    "into its name, such as drives/{camera}.mp4"
                )
        return self

    def by_camera(self, value: ByCamera) -> dict[str, str]:
        """A setting by the cameras' names; one for all stands for each of them."""
        if isinstance(value, dict):
            return value
        return dict.fromkeys(self.sources, value) if value else {}

    @property
    def sources(self) -> dict[str, SourceUri]:
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
        variables: dict[str, str] = {}
        values = {} if profile is None else _expanded(read_yaml(profile), profile, variables)
        given = {key: value for key, value in overrides.items() if value is not None}
        if values.get("cameras") and "source" in given:
            given["sinks"] = [given.pop("source"), *given.get("sinks", ())]
        try:
            return cls.model_validate(values | given)
        except ConfigError as error:
            raise ConfigError(_contracted(str(error), variables)) from error
        except ValidationError as error:
            lines = faults(error, lambda text: masked(_contracted(text, variables)))
            where = printable(str(profile or "configuration"))
            raise ConfigError("\n".join(f"{where}: {line}{_hint(line)}" for line in lines)) from error


def _contracted(text: str, variables: dict[str, str]) -> str:
    """The text with the names of variables in place of their values, whichever of them are secrets."""
    for value in sorted(variables, key=len, reverse=True):
        text = text.replace(value, variables[value])
    return text


def _expanded(value: Any, profile: Path, variables: dict[str, str]) -> Any:
    """The value with the environment's variables in place of their names, which `variables` then has."""
    if isinstance(value, list):
        return [_expanded(one, profile, variables) for one in value]
    if isinstance(value, dict):
        return {key: _expanded(one, profile, variables) for key, one in value.items()}
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(f"{profile}: {match[0]} is not set; export {match[1]}=… before the start")
        found = os.environ[match[1]]
        if len(found) > 3:  # a shorter one is no secret, and stands in many words
            variables[found] = match[0]
        return found

    return re.sub(r"\$\{(\w+)\}", variable, value)


def _hint(line: str) -> str:
    if line.startswith("unknown key"):
        return f"; known are {', '.join(RunConfig.model_fields)}"
    return (
        f"; give it in the profile or on the command line, {EXAMPLE}" if line.endswith("is missing") else ""
    )
