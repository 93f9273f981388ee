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


def test_the_cpus_name_and_what_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_CPUINFO", file)
    assert (bool(machine.processor()), machine.instructions()) == (True, "")
    file.write_text("model\t: 7\nmodel name\t: EPYC: 9\nflags\t\t: fpu avx512_vnni\n\nmodel name\t: B\n")
    assert (machine.processor(), machine.instructions()) == ("EPYC: 9", "fpu avx512_vnni")
