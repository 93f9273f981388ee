"""The training loop: one recipe in, checkpoints, curves and tables out; it resumes where it was stopped."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from perception.console import Console
from perception.datasets.dataset import thinned
from perception.datasets.opening import open_dataset
from perception.decode.instances import choose_grouping, choose_least
from perception.errors import ConfigError, DataError
from perception.evaluation.evaluation import Evaluation
from perception.evaluation.gallery import Chosen
from perception.evaluation.scoring import score, subject_of
from perception.evaluation.tables import tables
from perception.perceiver import Perceiver
from perception.training import CHECKPOINT
from perception.training.checkpoint import load_imagenet, read_checkpoint, read_config, start_from
from perception.training.config import TrainingConfig
from perception.training.curves import draw_curves
from perception.training.describe import describe
from perception.training.distillation import choose_teacher
from perception.training.distributed import Ranks, Share, alone
from perception.training.packing import training_sets
from perception.training.profile import Profile, progress_bar
from perception.training.quantisation import load_ranges, ranges, round_in_training
from perception.training.sampling import Batches, Cached, Mix
from perception.training.schedule import MovingAverage, make_schedule, parameter_groups
from perception.training.survey import Survey, checked, picture
from perception.training.tasks import Batch, Task, make_task
from perception.training.tasks.drive import DriveTask
from perception.training.torch_engine import TorchEngine

FEWEST_FRAMES = 4  # of a set in a validation


class Trainer:
    """Trains a network by a recipe into a folder.

    The folder receives `config.json`, `checkpoint.pt` (everything needed to resume), `log.jsonl` (a line a
    logged step), `survey.png`, `curves.png`, `validation.json` and `samples.png`. Of several processes that
    train together, the first alone writes, prints and validates. `packed` is a folder of pieces that hold the
    recipe's data, `teacher` the checkpoint or bundle of a drive network, for losses that need one.
    """

    def __init__(
        self,
        config: TrainingConfig,
        folder: Path,
        *,
        initial: Path | None = None,
        ranks: Ranks | None = None,
        packed: Path | None = None,
        teacher: Path | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.folder = folder
        self.ranks = ranks or alone()
        self.share = self.ranks.share(config.batch)
        self.device = self.ranks.device
        self.own = config.own_classes()
        self.task: Task = make_task(config)
        self.network = self.task.network
        if unknown := set(config.losses) - set(self.task.losses):
            raise ConfigError(
                f"losses: {config.network} has no {', '.join(sorted(unknown))}; it is trained by "
                f"{', '.join(self.task.losses)}"
            )
        self.losses = dict(config.losses) or {name: w for name, w in self.task.losses.items() if w > 0}
        self._initial, self._packed = initial, packed
        chosen = choose_teacher(teacher, self.losses, config)
        if isinstance(self.task, DriveTask) and chosen is not None:
            self.task.teacher = chosen.to(self.device)
        self.new: list[str] = []  # weights that the initial ones did not hold
        self._encoder_learnt = initial is not None or load_imagenet(self.network, config)
        if initial is not None:
            self.new = start_from(self.network, initial)
        if config.encoder_rate == 0:
            self.network.get_submodule("encoder").requires_grad_(False)
        if config.quantised:
            round_in_training(self.network)
        self.network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.measure = self.ranks.wrap(self.task)
        self._make_optimiser()
        self.average = MovingAverage(self.network, config.average) if config.average else None
        self.step = self._validated = 0
        self.profile = Profile(self.device)

    def _make_optimiser(self) -> None:
        groups = parameter_groups(self.network, self.config, self._encoder_learnt)
        self.optimiser = torch.optim.AdamW(groups, weight_decay=self.config.weight_decay)
        self.schedule = make_schedule(self.optimiser, self.config)

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    def resume(self) -> None:
        """Go on from the folder's checkpoint.

        Raises:
            DataError: the checkpoint was made by another recipe.
        """
        state = read_checkpoint(self.checkpoint)
        if not read_config(self.checkpoint).same_run(self.config):
            raise DataError(
                f"{self.checkpoint}: made by another recipe; train into a new folder, "
                "with --initial to start from its weights"
            )
        self.network.load_state_dict(state["network"])
        load_ranges(self.network, state.get("ranges", {}))
        # The weights to begin with are not given again, and yet say what had learnt before.
        self._encoder_learnt = state.get("encoder_learnt", self._encoder_learnt)
        self._make_optimiser()
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.load(state["average"])
        self.step = state["step"]
        self._validated = state.get("validated", self.step)
        if "random" in state:
            torch.set_rng_state(state["random"])
        if self.ranks.first:
            self._trim_log()

    def train(self, minutes: float | None = None) -> dict[str, Evaluation]:
        """Run to the recipe's last step; returns the last validation, by data set.

        After so many `minutes` it saves a checkpoint and returns, wherever it is; reading the data counts.

        Raises:
            ConfigError: the recipe quantises, and there is no trained network to begin with.
        """
        if self.config.quantised and not self.step and not self._initial:
            raise ConfigError("quantised: trains a trained network on; give it by --initial")
        config, first = self.config, self.ranks.first
        end = None if minutes is None else time.monotonic() + 60 * minutes
        self.folder.mkdir(parents=True, exist_ok=True)
        sets = [Cached(one, pixels=config.pixels) for one in training_sets(config, self._packed)]
        if first:
            (self.folder / "config.json").write_text(config.model_dump_json(indent=2))
            self._survey(sets)
        mix = Mix(sets, config, stride=self.task.stride)
        balanced = config.class_balance and "labels" in self.task.deployed.outputs
        weights = mix.class_weights(len(config.class_set())).to(self.device) if balanced else None
        validation: dict[str, Evaluation] = {}
        self.profile = Profile(self.device)
        with progress_bar(hidden=not first) as progress:
            task = progress.add_task("train", total=config.steps, completed=self.step, loss="")
            for batch in self.profile.waits(self._batches(mix)):
                losses = self._update(batch, weights)
                ended = end is not None and self._any(time.monotonic() >= end)
                if not first:
                    if ended:
                        break
                    continue
                progress.update(task, completed=self.step, loss=f"loss {losses['loss']:.3f}")
                last = self.step == config.steps
                if self.step % config.checkpoint_every == 0 or last or ended:
                    with self.profile.part("saving"):
                        self._save()
                if self.step % config.validate_every == 0 or last:
                    with self.profile.part("validation"):
                        validation = self.validate(self._validation_frames())
                    for table in tables(validation, f"step {self.step}"):
                        progress.console.print(table)
                if self.step % 10 == 0 or last or ended:
                    rate = self.schedule.get_last_lr()[-1]
                    self._log(**losses, rate=rate, shares=self.profile.shares())
                if ended:
                    break
            if first:
                progress.console.print(self.profile.table())
        return validation

    def _survey(self, sets: Sequence[Cached]) -> None:
        """Count and draw the labels of all data sets, so that wrong ones are seen before training."""
        classes = self.config.class_set()
        surveys = [Survey(one.name, one.samples, classes) for one in sets]
        for source in self.config.validate_on:
            dataset = open_dataset(source, self.own)
            surveys.append(Survey(source, checked(dataset), classes))
        for survey in surveys:
            Console().print(survey.table())
        cv2.imwrite(str(self.folder / "survey.png"), picture(surveys, classes))

    def validate(self, most: int | None = None) -> dict[str, Evaluation]:
        """Score the network on so many frames of each validation set at most; draw curves and samples.

        With an average of the weights that is the network which leaves, and which is scored.
        """
        with nullcontext() if self.average is None else self.average.shown(self.network):
            return self._validate(most)

    def _validate(self, most: int | None) -> dict[str, Evaluation]:
        self.network.eval()
        subject = subject_of(self._perceiver())
        result, frames = {}, {}
        rows = []
        for source in self.config.validate_on:
            dataset = thinned(open_dataset(source, self.own), most)
            chosen = Chosen(np.linspace(0, len(dataset) - 1, 3).astype(int).tolist())
            result[source] = score(subject, dataset, chosen, quiet=True)
            rows += chosen.rows
            frames[source] = len(dataset)
            self._log(source=source, **result[source].values())
        self.network.train()
        self._validated = self.step
        if rows:
            cv2.imwrite(str(self.folder / "samples.png"), np.vstack(rows))
        summary = {source: evaluation.values() for source, evaluation in result.items()}
        (self.folder / "validation.json").write_text(
            json.dumps({"step": self.step, "frames": frames, "figures": summary}, indent=2)
        )
        draw_curves(self.folder / "log.jsonl", self.folder / "curves.png")
        return result

    def _validation_frames(self) -> int:
        """Of each set: all of them together as many as were trained on since the last validation.

        A full run hardly notices, as it trains on thousands; a run of three steps would validate for minutes.
        """
        trained_on = (self.step - self._validated) * self.config.batch
        return max(FEWEST_FRAMES, trained_on // max(1, len(self.config.validate_on)))

    def _perceiver(self) -> Perceiver:
        """The network as the node would run it, but in torch."""
        description = describe(self.config, self.task.deployed)
        classes = self.config.class_set()
        return Perceiver(
            description,
            TorchEngine(self.task.deployed, self.device, description.input),
            choose_grouping(description, classes),
            least=choose_least(description, classes),
        )

    def _batches(self, mix: Mix) -> Iterator[Batch]:
        batches = Batches(mix, self.task, self.step * self.config.batch)
        yield from DataLoader(
            batches,
            self.share,
            sampler=Share(len(batches), self.config.batch, self.ranks),
            num_workers=self.config.workers,
            worker_init_fn=lambda _: cv2.setNumThreads(0),
            prefetch_factor=4 if self.config.workers else None,
            pin_memory=self.device.type == "cuda",
        )

    def _update(self, batch: Batch, weights: Tensor | None) -> dict[str, float]:
        """One step; returns each loss, and their weighted sum as "loss"."""
        self.network.train()
        if self.config.encoder_rate == 0:  # its normalisation keeps its statistics, too
            self.network.get_submodule("encoder").eval()
        batch = {name: tensor.to(self.device) for name, tensor in batch.items()}
        with self.profile.part("forward"):
            losses = self.measure(tuple(self.losses), self._pixels(batch["image"]), batch, weights)
            loss = torch.stack([weight * losses[name] for name, weight in self.losses.items()]).sum()
        with self.profile.part("backward"):
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        with self.profile.part("optimiser"):
            nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
            self.optimiser.step()
            self.schedule.step()
        self.step += 1
        if self.average is not None:
            self.average.update(self.network, self.step)
        values = self.ranks.mean(torch.stack([loss, *losses.values()])).tolist()
        if not np.isfinite(values[0]):
            raise DataError(
                f"step {self.step}: the loss is {values[0]}; lower the rates, or resume from "
                f"{self.checkpoint}"
            )
        return dict(zip(("loss", *losses), values, strict=True))

    def _any(self, here: bool) -> bool:
        """Whether it is so in any of the processes that train together: all of them leave at one step."""
        return bool(self.ranks.mean(torch.tensor(float(here), device=self.device)) > 0)

    def _pixels(self, image: Tensor) -> Tensor:
        return image.to(self.device).to(torch.float32, memory_format=torch.channels_last)

    def _log(self, **values: object) -> None:
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps({"step": self.step, "time": time.time(), **values}) + "\n")

    def _trim_log(self) -> None:
        """Forget what was logged after the checkpoint: those steps come again."""
        path = self.folder / "log.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith("}\n")]  # a kill may have cut the last one
        path.write_text("".join(line for line in whole if json.loads(line)["step"] <= self.step))

    def _save(self) -> None:
        state = {
            "config": self.config.model_dump_json(),
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "step": self.step,
            "validated": self._validated,
            "encoder_learnt": self._encoder_learnt,
            "ranges": ranges(self.network),
            "random": torch.get_rng_state(),
        }
        if self.average is not None:
            state["average"] = self.average.weights
        draft = self.checkpoint.with_suffix(".new")
        torch.save(state, draft)
        draft.replace(self.checkpoint)  # a crash while saving must not cost the last good checkpoint
