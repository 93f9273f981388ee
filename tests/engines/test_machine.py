from pathlib import Path

import pytest

from perception.engines import machine


def test_the_drivers_word_on_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_DRIVER", tmp_path)
    assert machine.graphics() == ()
    (tmp_path / "version").write_text("NVRM version: 580\n")
    (tmp_path / "gpus/0000:01:00.0").mkdir(parents=True)
    (tmp_path / "gpus/0000:01:00.0/information").write_text("Model: H200\n")
    assert machine.graphics() == ("NVRM version: 580\n", "Model: H200\n")
