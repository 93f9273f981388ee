"""Makes `clip.mp4`: `python -m tests.replay.make_clip`. It is committed, as encoders differ by version.

Only the simulated camera is in it, so it has the licence of this repository.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from perception.simulation import Drive, parse_options

QUERY = "seed=11&size=640x360&rate=10&scene=town&weather=cloudy&time=day"
STAMPS_MS = 0, 100, 200, 300, 500, 600, 700  # a frame is missing at 400 ms
BLACK = 2  # frames at the end, as behind a covered lens


def main() -> None:
    drive = Drive(parse_options(QUERY))
    path = Path(__file__).with_name("clip.mp4")
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        options = {"preset": "veryslow", "crf": "26", "threads": "1"}
        stream = container.add_stream("libx264", rate=10, options=options)
        stream.width, stream.height = drive.options.size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, stamp in enumerate(STAMPS_MS):
            image: npt.NDArray[np.uint8] = drive.render(stamp // 100).image
            if index >= len(STAMPS_MS) - BLACK:
                image = np.zeros_like(image)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
