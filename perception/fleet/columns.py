"""What a query over scenes may name."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from perception.scene import Status

Kind = Literal["number", "text"]


class Column(NamedTuple):
    """What a query calls it by is its key in `COLUMNS`; `sql` is over a row of `table`."""

    sql: str
    kind: Kind
    meaning: str


COLUMNS: Mapping[str, Column] = {
    "class": Column("class", "text", "of the road user"),
    "score": Column("score", "number", "0 to 1"),
    "track": Column("track", "number", "id of its track"),
    "distance": Column("distance_m", "number", "m"),
    "lateral": Column("lateral_m", "number", "m"),
    "ttc": Column("ttc_s", "number", "s to collision"),
    "x0": Column("x0", "number", "px"),
    "y0": Column("y0", "number", "px"),
    "x1": Column("x1", "number", "px"),
    "y1": Column("y1", "number", "px"),
    "width": Column("(x1 - x0)", "number", "px, of its box"),
    "height": Column("(y1 - y0)", "number", "px, of its box"),
    "area": Column("(x1 - x0) * (y1 - y0)", "number", "px², of its box"),
    "drive": Column("drive", "text", "its folder's name"),
    "camera": Column("camera", "text", ""),
    "sequence": Column("sequence", "number", "of the frame"),
    "time": Column("(stamp_ns / 1e9)", "number", "s, of the drive's own time"),
    "age": Column("age_ms", "number", "ms"),
    "status": Column("status", "text", ", ".join(Status)),
    "reasons": Column("array_to_string(reasons, '; ')", "text", "why it is unreliable"),
    "lanes": Column("lanes", "number", "lane boundaries"),
    "road_offset": Column("road_offset_m", "number", "m"),
    "road_width": Column("road_width_m", "number", "m"),
    "curvature": Column("curvature_per_m", "number", "1/m"),
    "doubt": Column("doubt", "number", "road users that are probably wrong"),
}
# Known where the camera is calibrated.
METRES = {"distance", "lateral", "ttc", "road_offset", "road_width", "curvature"}
