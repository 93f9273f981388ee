"""The machine that engines run on, as far as the system itself describes it: its CPU and NVIDIA's driver."""

import math
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_GROUPS_OF_THIS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
_DRIVER = Path("/proc/driver/nvidia")


def physical_cores() -> int:
    """Physical cores that this process may use, at most as many as its time is limited to."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    files = {cpu: Path(siblings.format(cpu)) for cpu in os.sched_getaffinity(0)}
    return _limited(len({file.read_text() if file.exists() else str(cpu) for cpu, file in files.items()}))


def processor() -> str:
    """The CPU's name."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def instructions() -> str:
    """Optional instructions of the CPU, such as "avx512_vnni": a virtual machine may hide some."""
    return _cpuinfo("flags") or _cpuinfo("Features")


def has_vnni() -> bool:
    """Whether it sums products of bytes in 32 bits, in one instruction."""
    return "vnni" in instructions()


def _cpuinfo(key: str) -> str:
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == key), "")


def graphics() -> tuple[str, ...]:
    """What NVIDIA's driver reports of itself and of each GPU; nothing where there is none."""
    files = (_DRIVER / "version", *sorted(_DRIVER.glob("gpus/*/information")))
    return tuple(file.read_text() for file in files if file.is_file())


def usable_cores() -> int:
    """The cores that this process may use, at most as many as its time is limited to."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return _limited(len(affinity(0)) if affinity else os.cpu_count() or 1)


def _limited(cores: int) -> int:
    """By the CPU time of its container (`docker run --cpus`) or service (`CPUQuota=`), on whichever cores."""
    return max(1, math.ceil(min([cores, *_quotas()])))


def _quotas() -> Iterator[float]:
    """Cores' worth of time that each control group of this process gives it: Linux, cgroups 2 and 1."""
    lines = _GROUPS_OF_THIS.read_text().splitlines() if _GROUPS_OF_THIS.is_file() else []
    for _, kinds, name in (line.split(":", 2) for line in lines):
        if kinds and "cpu" not in kinds.split(","):
            continue
        # Within a container its own group may be the root of what it sees, under whatever name.
        root, group = _GROUPS / kinds, Path(name.lstrip("/"))
        for folder in (root / one for one in (group, *group.parents)):
            with suppress(OSError, ValueError):  # no such file, or "max": no limit
                if kinds:
                    files = folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"
                    quota, period = (int(file.read_text()) for file in files)
                else:
                    quota, period = map(int, (folder / "cpu.max").read_text().split())
                if quota > 0:  # -1: no limit
                    yield quota / period
