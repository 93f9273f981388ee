"""What `perception doctor` finds: whether perception can run here, with what, and what is broken."""

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import import_module
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from perception.app.output import AsJson, Model, show
from perception.bundle.bundle import Bundle
from perception.engines.cuda import find_gpu
from perception.engines.golden import check_golden
from perception.engines.machine import has_vnni, physical_cores, processor
from perception.engines.registry import FOR_DEVELOPMENT, known_engines, open_engine
from perception.engines.selection import versions
from perception.errors import BundleError, EngineError
from perception.extras import DISTRIBUTION, EXTRAS, hint, missing
from perception.sinks.registry import SINKS
from perception.sources.registry import SOURCES
from perception.uri import Kind

# Modules of the running node. Some distributions install the same module: the last one installed wins, and
# removing either breaks it, without a message from pip.
MODULES = ("numpy", "cv2", "av", "onnxruntime", "pydantic", "yaml", "rich", "typer")


COMMANDS = {  # those that need another extra than those above
    "perception fleet, perception mine": ("duckdb", "fsspec"),
    "perception fleet --ray": ("ray",),
}


class Health(StrEnum):
    GOOD = "good"
    ABSENT = "absent"  # cannot be used here, which is no fault
    BROKEN = "broken"


_STYLE = {Health.GOOD: "green", Health.ABSENT: "yellow", Health.BROKEN: "bold red"}


@dataclass(frozen=True)
class Finding:
    """One check; where something is broken, `detail` says what to do."""

    name: str
    health: Health
    detail: str


@dataclass(frozen=True)
class Diagnosis:
    """All findings, for people (`table`) and for programs (`as_json`)."""

    findings: tuple[Finding, ...]

    @property
    def broken(self) -> bool:
        return any(finding.health is Health.BROKEN for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {"broken": self.broken, "findings": [asdict(finding) for finding in self.findings]}

    def table(self) -> Table:
        """A line for each finding; those of the same detail share one, so that it is read once."""
        names: dict[tuple[Health, str], list[str]] = {}
        for one in self.findings:
            said = one.detail.removeprefix(f"{one.name.removeprefix('engine ')} cannot run: ")
            names.setdefault((one.health, said), []).append(one.name)
        table = Table.grid(padding=(0, 2))
        for (health, detail), those in names.items():
            what = Text.assemble((", ".join(those), "bold"), ": ", detail, overflow="fold")
            table.add_row(Text(health, _STYLE[health]), what)
        return table


def diagnose(model: str | Path = "drive") -> Diagnosis:
    """Check the installation, the bundle, and each engine with a golden run."""
    return Diagnosis((*_platform(), *_modules(), *_extras(), *_model(model)))


def _platform() -> Iterator[Finding]:
    yield Finding("python", Health.GOOD, f"{platform.python_version()} on {platform.platform()}")
    yield Finding("perception", Health.GOOD, version(DISTRIBUTION))
    vnni = "with VNNI, for INT8" if has_vnni() else "without VNNI"
    yield Finding("cpu", Health.GOOD, f"{processor()}, {physical_cores()} cores to use, {vnni}")
    try:
        gpu = find_gpu()
    except EngineError as error:
        yield Finding("gpu", Health.ABSENT, str(error))
    else:
        capability, cuda = ".".join(map(str, gpu.capability)), f"{gpu.cuda // 1000}.{gpu.cuda % 1000 // 10}"
        detail = f"{gpu.name}, compute capability {capability}, driver {gpu.driver}, CUDA up to {cuda}"
        yield Finding("gpu", Health.GOOD, detail)
    found = ", ".join(f"{name} {one}" for name, one in versions().items() if name != DISTRIBUTION)
    yield Finding("runtimes", Health.GOOD if found else Health.ABSENT, found or "none")


def _modules() -> Iterator[Finding]:
    providers = packages_distributions()
    for module in MODULES:
        distributions = sorted(set(providers.get(module, [])))
        if len(distributions) > 1:
            detail = (
                f"{' and '.join(distributions)} are both installed and overwrite each other: "
                f"pip uninstall {' '.join(distributions)}, then install perception again"
            )
            yield Finding(module, Health.BROKEN, detail)
            continue
        try:
            import_module(module)
        except ImportError as error:
            remedy = hint("cpu", ", or [gpu] for NVIDIA GPUs")
            yield Finding(module, Health.BROKEN, f"does not import ({error}): {remedy}")
        else:
            yield Finding(module, Health.GOOD, " ".join(f"{name} {version(name)}" for name in distributions))


def _extras() -> Iterator[Finding]:
    """Sources, sinks and commands that need an extra."""
    kinds: list[Kind] = [*SOURCES.listed(), *SINKS.listed()]
    for name, needs in (*((kind.grammar, kind.needs) for kind in kinds), *COMMANDS.items()):
        if lacking := missing(needs):
            extras = dict.fromkeys(EXTRAS[one] for one in lacking)
            yield Finding(name, Health.ABSENT, f"no {', '.join(lacking)}: {hint(','.join(extras))}")
        elif needs:
            yield Finding(name, Health.GOOD, "can be used")


def _model(model: str | Path) -> Iterator[Finding]:
    try:
        bundle = Bundle.load(model)
    except BundleError as error:
        yield Finding(f"model {model}", Health.BROKEN, str(error))
        return
    info = bundle.info
    detail = f"{info.name} {info.version} in {bundle.folder}, {len(info.files)} checksums match"
    yield Finding(f"model {model}", Health.GOOD, detail)
    for name in (*known_engines(), "auto"):
        yield _engine(bundle, name)


def _engine(bundle: Bundle, name: str) -> Finding:
    title = f"engine {name}"
    try:
        # With one thread as `perception run` has it, so that what is chosen here is chosen there.
        engine = open_engine(bundle, name, threads=1, on_build=_decline)
        share = check_golden(bundle, engine)
    except EngineError as error:
        return Finding(title, Health.BROKEN if name == "auto" else Health.ABSENT, str(error))
    except BundleError as error:
        return Finding(title, Health.ABSENT if name in FOR_DEVELOPMENT else Health.BROKEN, str(error))
    if name == "auto":
        why = engine.info.reason.partition(";")[0]  # what follows is said of each of the others
        return Finding(title, Health.GOOD, f"chooses {engine.name} with one thread, as a run does: {why}")
    detail = f"golden run: {share:.2%} of the values as they must be"
    return Finding(title, Health.GOOD, "; ".join((detail, *engine.info.notes)))


def _decline(what: str, share: float) -> None:
    raise EngineError(f"not built yet, but can be: {what} takes minutes, at the first start that asks for it")


def doctor(model: Model = None, as_json: AsJson = False) -> None:
    """Show what can run here and why the rest cannot.

    The exit status is 1 where something is broken.

    \b
    Examples:
      perception doctor
      perception doctor --model runs/drive/bundle --json
    """
    diagnosis = diagnose(model or "drive")
    show(diagnosis, as_json)
    raise typer.Exit(int(diagnosis.broken))
