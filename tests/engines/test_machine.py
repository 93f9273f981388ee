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


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {}, 16),
        ("0::/\n", {"cpu.max": "max 100000"}, 16),
        ("0::/\n", {"cpu.max": "200000 100000"}, 2),  # docker run --cpus 2
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "20000 100000"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000"}, 16),
        # CPUQuota=300%
        ("0::/car.slice/node.service\n", {"car.slice/node.service/cpu.max": "300000 100000"}, 3),
        (
            "0::/car.slice/node.service\n",
            {"car.slice/cpu.max": "200000 100000", "car.slice/node.service/cpu.max": "300000 100000"},
            2,
        ),
        ("0::/../elsewhere\n", {"cpu.max": "200000 100000"}, 2),
        (
            "4:cpu,cpuacct:/docker/ab:c\n1:memory:/\n0::/\n",
            {"cpu,cpuacct/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ("1:cpuset:/\n", {"cpuset/cpu.cfs_quota_us": "1\n", "cpuset/cpu.cfs_period_us": "1\n"}, 16),
    ],
)
def test_no_more_cores_than_a_container_or_service_gives_time_for(
    groups: str, files: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "self").write_text(groups)
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text)
    monkeypatch.setattr(machine, "_GROUPS_OF_THIS", tmp_path / "self")
    monkeypatch.setattr(machine, "_GROUPS", tmp_path / "fs")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(1000, 1016)))  # no such has a sibling
    assert (machine.usable_cores(), machine.physical_cores()) == (cores, cores)
