"""GStreamer's own RTSP server, which many cameras run: needs the system's Python, where gi is installed.

It says {"url": …}; its picture is a ball that moves on black. No commands.
"""

import argparse
import threading

import gi  # type: ignore[import-not-found,unused-ignore]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found,unused-ignore]  # noqa: E402

from tests.servers.control import obey, tell  # noqa: E402

# Its encoder makes two slices of each picture, and puts the parameter sets before each slice of a key frame.
PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={rate}/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 "
    "! rtph264pay name=pay0 config-interval=-1 )"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="640x384")
    parser.add_argument("--rate", type=int, default=30)
    arguments = parser.parse_args()
    width, height = arguments.size.split("x")
    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(PIPELINE.format(width=width, height=height, rate=arguments.rate))
    factory.set_shared(True)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    server.get_mount_points().add_factory("/stream", factory)
    server.attach(None)
    loop = GLib.MainLoop()
    tell(url=f"rtsp://127.0.0.1:{server.get_bound_port()}/stream")
    threading.Thread(target=loop.run, daemon=True).start()
    obey(lambda name, values: None)


if __name__ == "__main__":
    main()
