"""A suite: several networks trained, exported, run and measured by one recipe, to be compared.

Each network has a folder of the suite's, and goes through the same commands that a user would type, each in a
process of its own: what is done already is not done again, and one that fails leaves the others be.

    FOLDER/NAME.yaml        its recipe
    FOLDER/NAME/            what `perception train` writes
    FOLDER/NAME/bundle/     what `perception export` writes
    FOLDER/NAME/overlay.mp4 what `perception run` makes of a simulated drive
    FOLDER/NAME/log.txt     what those commands said
"""

import json
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from perception.errors import ConfigError, DataError
from perception.parsing import read_yaml, validate
from perception.training.config import TrainingConfig, load_config

DRIVE = "sim:?frames=12&size=480x360"  # each network is run on it by the node


class Suite(BaseModel):
    """A suite's file: what its networks have in common, and what is each one's own.

    Attributes:
        recipe: keys of a recipe, for all.
        networks: name in recipes → keys of its own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    recipe: dict[str, Any]
    networks: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]


@dataclass(frozen=True)
class Member:
    """A network of the suite, in its folder."""

    config: TrainingConfig
    folder: Path
    data: Path

    @property
    def name(self) -> str:
        return self.config.network

    @property
    def recipe(self) -> Path:
        return self.folder.with_name(f"{self.name}.yaml")

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def overlay(self) -> Path:
        return self.folder / "overlay.mp4"


def load_suite(
    name: str, folder: Path, data: Path, overrides: Mapping[str, object], only: Collection[str] = ()
) -> list[Member]:
    """The networks of a suite, whose recipes are written into its folder.

    Args:
        name: of a suite that comes with the package, or a file's path.
        folder: where it is trained.
        data: what `{data}` in its sources stands for.
        overrides: keys of every recipe that win.
        only: the networks to take; empty: all.

    Raises:
        ConfigError: there is no such suite, its file is not valid, or `only` names another network.
    """
    path = Path(name)
    if not path.is_file():
        path = Path(str(resources.files("perception.training") / "suites" / f"{name}.yaml"))
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.yaml")))
        raise ConfigError(f"suite {name!r}: no such suite or file; there are: {known}")
    suite = validate(Suite, read_yaml(path), path)
    if unknown := set(only) - set(suite.networks):
        raise ConfigError(
            f"--only: {', '.join(sorted(unknown))} is not in {path}; there are: {', '.join(suite.networks)}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    members = []
    for network, own in suite.networks.items():
        if not only or network in only:
            recipe = {"name": network, "network": network, **suite.recipe, **own, **overrides}
            written = folder / f"{network}.yaml"
            written.write_text(yaml.safe_dump(recipe, sort_keys=False))
            members.append(Member(load_config(written, data, {}), folder / network, data))
    return members


def run_suite(members: list[Member], say: Callable[[str], None]) -> None:
    """Train, export and run every network, as far as that is not done.

    Raises:
        DataError: some of them failed; the others are done.
    """
    failed = []
    for number, member in enumerate(members, start=1):
        try:
            for what, command in _left_to_do(member):
                say(f"{number} of {len(members)}, {member.name}: {what}")
                _perception(command, member.folder / "log.txt")
        except subprocess.CalledProcessError:
            failed.append(f"{member.name} ({member.folder / 'log.txt'})")
            say(f"{member.name} failed; its log says why")
    if failed:
        raise DataError(f"{len(failed)} of {len(members)} networks failed: {', '.join(failed)}")


def _left_to_do(member: Member) -> list[tuple[str, list[str]]]:
    """The commands that are still to be run, each with a word for it."""
    member.folder.mkdir(parents=True, exist_ok=True)
    checkpoint = member.folder / "checkpoint.pt"
    trained = _is_trained(member)
    commands = []
    if not trained:
        resume = ["--resume"] if checkpoint.exists() else []
        where = [str(member.recipe), str(member.folder), "--data", str(member.data)]
        commands.append(("training", ["train", *where, *resume]))
    if not trained or not member.bundle.exists():
        commands.append(("exporting", ["export", str(checkpoint), str(member.bundle), "--name", member.name]))
    if not trained or not member.overlay.exists():
        engine = ["--engine", "onnx-cpu", "--quiet"]
        commands.append(
            ("running", ["run", DRIVE, str(member.overlay), "--model", str(member.bundle), *engine])
        )
    return commands


def _is_trained(member: Member) -> bool:
    """Whether the folder was trained to the end of this very recipe."""
    recipe, validation = member.folder / "config.json", member.folder / "validation.json"
    return (
        validation.exists()
        and json.loads(validation.read_text())["step"] == member.config.steps
        and TrainingConfig.model_validate_json(recipe.read_text()).same_run(member.config)
    )


def _perception(arguments: list[str], log: Path) -> None:
    with log.open("a") as output:
        print("perception", *arguments, file=output, flush=True)
        command = [sys.executable, "-m", "perception", *arguments]
        subprocess.run(command, check=True, stdout=output, stderr=subprocess.STDOUT)
