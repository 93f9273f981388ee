"""`perception train`."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perception.console import Console
from perception.errors import ConfigError
from perception.training import CHECKPOINT

if TYPE_CHECKING:
    from perception.training.config import TrainingConfig


def train(
    recipe: Annotated[
        Path | None,
        typer.Argument(
            help="Recipe, YAML; launch/train-drive.yaml made the shipped model. None with --suite."
        ),
    ] = None,
    output: Annotated[Path | None, typer.Argument(help="Folder for checkpoints, curves and tables.")] = None,
    data: Annotated[Path, typer.Option(help="Folder that {data} stands for in the recipe.")] = Path("data"),
    initial: Annotated[Path | None, typer.Option(help="Checkpoint or bundle folder to start from.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in OUTPUT.")] = False,
    steps: Annotated[int | None, typer.Option(help="Steps of the run, instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed, instead of the recipe's.")] = None,
    workers: Annotated[int | None, typer.Option(help="Loading processes, instead of the recipe's.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="Stop after so many, with a checkpoint to resume from.")
    ] = None,
    teacher: Annotated[
        Path | None, typer.Option(help="Checkpoint or bundle of the network that the losses learn from.")
    ] = None,
    pack: Annotated[
        bool, typer.Option(help="Write the recipe's data into OUTPUT, in pieces for another machine.")
    ] = False,
    packed: Annotated[
        Path | None, typer.Option(help="Folder of such pieces, to train on in place of --data.")
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(help="Train and compare many networks: canon, or a suite's file. Resumes by itself."),
    ] = None,
    only: Annotated[str | None, typer.Option(help="Of the suite, only these networks: NAME,NAME.")] = None,
) -> None:
    """[train] Train a network by a recipe, or all of a suite.

    {data} in a recipe stands for the folder of --data; docs/data.md says where public sets come from, and how
    they must lie in it. Several processes train one network together where torchrun starts them:
    torchrun --nproc-per-node 2 --no-python perception train RECIPE OUTPUT

    \b
    Examples:
      perception train launch/train-drive.yaml runs/drive --data DATA --initial perception/models/drive
      perception train --suite canon runs/canon --data DATA --only u-net,segnet
    """
    given = {"steps": steps, "seed": seed, "workers": workers}
    overrides = {key: value for key, value in given.items() if value is not None}
    if suite is not None:
        if output is not None or initial is not None or resume:
            raise ConfigError("--suite takes OUTPUT alone, without RECIPE, --initial and --resume")
        folder = recipe or Path("runs") / Path(suite).stem  # the only argument is OUTPUT then
        _train_suite(suite, folder, data, overrides, only.split(",") if only else [])
        return
    if recipe is None or output is None or only is not None:
        raise ConfigError("give RECIPE and OUTPUT; or --suite canon OUTPUT, with --only for some of it")
    if resume and initial is not None:
        raise ConfigError("--resume goes on from OUTPUT's own checkpoint; leave out --initial")
    if pack:
        _pack(recipe, output, data)
        return
    from perception.training.config import load_config  # noqa: PLC0415 - help does without the extra `train`

    config = load_config(recipe, data, overrides)
    _check_paths(config, {"--initial": initial, "--packed": packed, "--teacher": teacher})
    if (output / CHECKPOINT).exists() and not resume:
        raise ConfigError(f"{output / CHECKPOINT} exists; give --resume to go on from it, or another folder")
    from perception.training.distributed import joined  # noqa: PLC0415 - torch, which takes seconds
    from perception.training.loop import Trainer  # noqa: PLC0415

    with joined() as ranks:
        console = Console(quiet=not ranks.first)
        trainer = Trainer(config, output, initial=initial, ranks=ranks, packed=packed, teacher=teacher)
        if resume:
            trainer.resume()
        if trainer.new:
            new = ", ".join(trainer.new[:3])
            console.print(f"{initial}: does not fit, and trained from nothing: {new} …", soft_wrap=True)
        trainer.train(minutes)
        console.print(f"{trainer.checkpoint}: step {trainer.step}; next: perception export", soft_wrap=True)


def _check_paths(config: "TrainingConfig", options: Mapping[str, Path | None]) -> None:
    """Raise one ConfigError that names all that is missing, before anything is read."""
    from perception.datasets.opening import faults_of  # noqa: PLC0415 - the extra `train`

    given = {name: path for name, path in options.items() if path is not None}
    faults = [f"{name} {path}: no such file or folder" for name, path in given.items() if not path.exists()]
    trained_on = () if "--packed" in given else tuple(entry.source for entry in config.train)
    faults += faults_of([*trained_on, *config.validate_on], config.own_classes())
    if faults:
        what = "1 path cannot be used" if len(faults) == 1 else f"{len(faults)} paths cannot be used"
        remedy = "docs/data.md says where public sets come from, and how they must lie"
        error = ConfigError(f"{what}; {remedy}:")
        for fault in faults:
            error.add_note(fault)
        raise error


def _pack(recipe: Path, output: Path, data: Path) -> None:
    from perception.training.config import load_config  # noqa: PLC0415
    from perception.training.packing import pack as write  # noqa: PLC0415 - only this option packs
    from perception.training.packing import training_sets  # noqa: PLC0415
    from perception.training.sampling import Reduced  # noqa: PLC0415 - torch

    config = load_config(recipe, data, {})
    _check_paths(config, {})
    pieces = write([Reduced(one, pixels=config.pixels) for one in training_sets(config)], output)
    for path in pieces:
        Console().print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB", soft_wrap=True)


def _train_suite(
    name: str, folder: Path, data: Path, overrides: dict[str, int], only: Collection[str]
) -> None:
    from perception.datasets.drives import open_set  # noqa: PLC0415 - the extra `train`
    from perception.evaluation.suite import compare_all  # noqa: PLC0415
    from perception.training.suite import load_suite, run_suite  # noqa: PLC0415 - torch

    members = load_suite(name, folder, data, overrides, only)
    config = members[0].config
    _check_paths(config, {})
    datasets = [open_set(source, config.own_classes()) for source in config.validate_on]
    run_suite(members, Console().print)
    compare_all(folder, datasets)
