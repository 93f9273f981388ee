"""What is said where a sink's package is not installed."""

import sys
from pathlib import Path

import pytest

from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.sinks.registry import open_sink


@pytest.mark.parametrize(("uri", "missing"), [("foxglove://127.0.0.1:0", "foxglove"), ("out.mcap", "mcap")])
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, missing: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [
        name
        for name in sys.modules
        if name.startswith(("perception.sinks.mcap_", "perception.sinks.foxglove_"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=rf"needs {missing}, which is not installed: .*\[(log|foxglove)\]"):
        open_sink(uri, 25.0, DRIVE)
