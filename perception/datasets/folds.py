"""Folds: which recordings of each data set train a network, and which are held out to score it."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from perception.errors import ConfigError
from perception.parsing import read_yaml, validate


class FoldSet(BaseModel):
    """A data set and its recordings, by globs over the stems of its images.

    Attributes:
        source: `LAYOUT:PATH`, in which `{data}` stands for the folder of the data.
        held_out: fold → globs of what is scored in it and does not train; `*` is the whole set.
        excluded: globs of what neither trains nor is scored, in any fold.
        drive: its frames follow one another, so that flicker can be measured.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    held_out: dict[str, tuple[str, ...]] = Field(min_length=1)
    excluded: tuple[str, ...] = ()
    drive: bool = False

    def train_source(self, fold: str) -> str | None:
        """The data set without what the fold holds out; None where that is all of it."""
        held_out = self.held_out[fold]
        return None if "*" in held_out else self._chosen((), (*held_out, *self.excluded))

    def held_out_source(self, fold: str) -> str | None:
        """What the fold holds out of the data set; None where that is nothing."""
        held_out = self.held_out[fold]
        return self._chosen(() if "*" in held_out else held_out, self.excluded) if held_out else None

    def _chosen(self, only: tuple[str, ...], without: tuple[str, ...]) -> str:
        options = [
            f"{key}={','.join(globs)}" for key, globs in (("only", only), ("without", without)) if globs
        ]
        return f"{self.source}?{'&'.join(options)}" if options else self.source


class Folds(BaseModel):
    """The data sets of a folds file, by name, and `drives`: sources without labels that no fold trains on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sets: dict[str, FoldSet] = Field(min_length=1)
    drives: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The folds that every set knows."""
        every = [set(one.held_out) for one in self.sets.values()]
        return tuple(sorted(set.intersection(*every)))

    def check(self, fold: str, path: Path) -> None:
        """Raise ConfigError where a set does not know the fold."""
        if fold not in self.names:
            raise ConfigError(
                f"{path}: fold {fold!r} is not known to every set; known: {', '.join(self.names)}"
            )

    def train_source(self, name: str, fold: str, path: Path) -> str:
        """What trains of a set, by its name.

        Raises:
            ConfigError: no such set or fold, or the fold holds out all of the set.
        """
        self.check(fold, path)
        if name not in self.sets:
            raise ConfigError(f"{path}: no set {name!r}; known: {', '.join(self.sets)}")
        source = self.sets[name].train_source(fold)
        if source is None:
            raise ConfigError(f"{path}: fold {fold} holds out all of {name}; leave it out of the recipe")
        return source

    def held_out(self, fold: str, path: Path) -> dict[str, str]:
        """Set → source of what the fold holds out. Raises ConfigError for an unknown fold."""
        self.check(fold, path)
        sources = {name: one.held_out_source(fold) for name, one in self.sets.items()}
        return {name: source for name, source in sources.items() if source is not None}


def load_folds(path: Path, data: Path) -> Folds:
    """Read a folds file; `{data}` in its sources becomes `data`.

    Raises:
        ConfigError: unreadable file, unknown key, or impossible value, by name.
    """
    return validate(Folds, read_yaml(path, lambda text: text.replace("{data}", str(data))), path)
