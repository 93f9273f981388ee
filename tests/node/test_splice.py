"""Recordings put one after another, through the node: one timeline, nothing is tracked over the splice."""

from pathlib import Path

from perception import Bundle, Perceiver
from perception.sources.registry import open_source
from tests.media import passing, write_video
from tests.node.nodes import ListSink, make_node


def test_stamps_go_on_and_tracks_start_again(tmp_path: Path, colour_bundle: Bundle) -> None:
    pictures = [passing(index) for index in range(8)]
    parts = [write_video(tmp_path / f"{name}.ts", pictures) for name in "ab"]
    (tmp_path / "all.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    sink = ListSink()
    perceiver = Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)
    node = make_node(open_source(str(tmp_path / "all.ts")), perceiver, [sink])
    node.run()
    assert [round(scene.stamp_ns / 1e6) for scene in sink.scenes] == [40 * k for k in range(16)]
    tracks = [{one.track for one in scene.instances} for scene in sink.scenes]
    assert tracks == [{1}] * 8 + [{2}] * 8
    assert any("another recording begins at frame 8" in message for message in node.report().messages)
