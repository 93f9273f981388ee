"""The machine that engines run on, as far as the system itself describes it: its CPU and NVIDIA's driver."""

import os
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_DRIVER = Path("/proc/driver/nvidia")


def physical_cores() -> int:
    """Physical cores that this process may run on."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    files = {cpu: Path(siblings.format(cpu)) for cpu in os.sched_getaffinity(0)}
    return len({file.read_text() if file.exists() else str(cpu) for cpu, file in files.items()})


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
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1
