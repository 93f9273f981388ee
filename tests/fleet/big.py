"""A fleet of 10 million rows for figures: python -m tests.fleet.big OUT/"""

import sys
from pathlib import Path

from perception.fleet.table import TABLE, database
from perception.interchange.files.records import SCENES

DRIVES, FRAMES, USERS = 1000, 2500, 4

_ROWS = f"""
COPY (
    SELECT
        f::INTEGER AS frame, f AS sequence, format('{{:06d}}', f) AS stem, 'front' AS camera,
        f * 33333333 AS stamp_ns, 0::BIGINT AS wall_ns, round(30 + 20 * random(), 3) AS age_ms,
        if(random() < 0.97, 'ok', 'unreliable') AS status, []::VARCHAR[] AS reasons,
        (random() * 5)::INTEGER AS lanes, round(random() - 0.5, 3) AS road_offset_m,
        round(3 + random(), 2) AS road_width_m, round(random() / 100, 5) AS curvature_per_m,
        round(4 * random(), 4) AS doubt, (8001 + u)::INTEGER AS id,
        CASE WHEN random() < 0.8 THEN 'vehicle' WHEN random() < 0.8 THEN 'pedestrian' ELSE 'two_wheeler' END
            AS class, round(0.3 + 0.7 * random(), 4) AS score, (f // 50 * {USERS} + u)::BIGINT AS track,
        round(1000 * random(), 2) AS x0, round(300 * random(), 2) AS y0,
        round(1000 + 200 * random(), 2) AS x1, round(300 + 400 * random(), 2) AS y1,
        round(5 + 75 * random(), 2) AS distance_m, round(20 * random() - 10, 2) AS lateral_m,
        round(60 * random(), 2) AS ttc_s, NULL::FLOAT[] AS latent
    FROM range({FRAMES}) frames(f), range({USERS}) users(u) ORDER BY f, u
) TO $path (FORMAT parquet, COMPRESSION zstd)
"""


def write(out: Path) -> None:
    with database() as connection:
        for number in range(DRIVES):
            folder = out / f"drive{number:04d}"
            folder.mkdir(parents=True)
            (folder / SCENES).touch()  # older than its table
            connection.execute(_ROWS, {"path": str(folder / TABLE)})


if __name__ == "__main__":
    write(Path(sys.argv[1]))
