"""Which topic of a recording is read, and what is refused."""

from pathlib import Path

import pytest
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage

from perception.errors import ConfigError, SourceError
from perception.sources.registry import open_source
from tests.sources.logs import PERIOD_NS, START_NS, McapLog, protobuf, shots
from tests.sources.test_log import check, read


def two_cameras(path: Path) -> Path:
    log = McapLog(path)
    for index, shot in enumerate(shots(8)):
        for topic in ("/left/image", "/right/image") if index % 2 else ("/left/image",):
            message = protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png")
            log.add(topic, shot.log_ns, message)
    return log.close()


def test_several_topics_are_an_error_that_lists_them(tmp_path: Path) -> None:
    path = two_cameras(tmp_path / "x.mcap")
    with pytest.raises(ConfigError) as caught:
        open_source(str(path))
    for words in (
        "/left/image (foxglove.CompressedImage, 8 messages, 20 a second)",
        "/right/image (foxglove.CompressedImage, 4 messages, 8.57 a second)",
        "?topic=",
    ):
        assert words in str(caught.value)
    items, _ = read(f"{path}?topic=/right/image")
    check(items, shots(8)[1::2], START_NS + PERIOD_NS)
    with pytest.raises(ConfigError, match=r"/up is not in this recording.*/left/image"):
        open_source(f"{path}?topic=/up")


@pytest.mark.parametrize("option", ["start=-1", "duration=x", "topics=/a"])
def test_options_that_cannot_be_are_refused(option: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        open_source(f"{tmp_path}/x.mcap?{option}")


def test_files_that_are_no_recordings_are_refused(tmp_path: Path) -> None:
    for name in ("x.mcap", "x.bag", "x.db3"):
        for data in (b"", b"hello", b"\x89MCAP0\r\n", bytes(5000)):
            (tmp_path / name).write_bytes(data)
            with pytest.raises((SourceError, ConfigError), match=name):
                open_source(str(tmp_path / name))
    (tmp_path / "metadata.yaml").write_text("a: 1")
    with pytest.raises(SourceError, match="rosbag2_bagfile_information"):
        open_source(str(tmp_path))
