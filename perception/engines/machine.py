"""The machine that engines run on, as far as it tells without any library: its CPU, and NVIDIA's driver."""

import os
import platform
from pathlib import Path

_DRIVER = Path("/proc/driver/nvidia")


def physical_cores() -> int:
    """Physical cores that this process may run on."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    files = {cpu: Path(siblings.format(cpu)) for cpu in os.sched_getaffinity(0)}
    return len({file.read_text() if file.exists() else str(cpu) for cpu, file in files.items()})


def processor() -> str:
    """The CPU's name, and what it can: containers may hide either."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    wanted = (next((line for line in lines if line.startswith(key)), "") for key in ("model name", "flags"))
    return "\n".join(wanted).strip() or platform.processor()


def graphics() -> tuple[str, ...]:
    """What NVIDIA's driver says of itself and of each GPU; nothing where there is none."""
    files = (_DRIVER / "version", *sorted(_DRIVER.glob("gpus/*/information")))
    return tuple(file.read_text() for file in files if file.is_file())
