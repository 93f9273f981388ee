"""Workers on a cluster of Ray: a task for each job. Each machine has perception installed, and sees OUT.

Ray listens on all interfaces: whoever reaches it can run code there. So a cluster that is started here always
asks for a token (which it keeps in ~/.ray/auth_token), and nothing is reported to Ray's makers.
"""

import logging
import os
from threading import Event as Flag
from typing import Any

from perception.errors import ConfigError
from perception.extras import explain
from perception.fleet.executor import Died, Event
from perception.fleet.job import MESSAGES, Job
from perception.redact import masked, printable

AUTO = "auto"
STOP_S = 1.0  # until a stop is noticed
MANY = 1_000_000  # jobs that wait are Ray's to hold: a cluster that grows by need sees them
_GPU = ("tensorrt", "onnx-cuda", "onnx-tensorrt")


class Cluster:
    """Runs jobs as tasks.

    Args:
        address: of a cluster; "auto": RAY_ADDRESS, or without it one that is started on this machine.
        slots: jobs at a time; None: as many as the cluster takes.
        engine: those for GPUs need one.

    Raises:
        ConfigError: Ray is not installed, or the cluster cannot be reached or started.
    """

    def __init__(self, address: str, slots: int | None, engine: str) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when Ray is imported
        local = address == AUTO and not os.environ.get("RAY_ADDRESS")
        # Left out, Ray 2.60 asks for a token and makes one; set to token it makes none, and does not start.
        if local and (mode := os.environ.pop("RAY_AUTH_MODE", "token")) != "token":
            raise ConfigError(
                f"ray: RAY_AUTH_MODE is {mode}: whoever reaches this machine could "
                "run code on it; leave it out, or set it to token"
            )
        try:
            import ray  # noqa: PLC0415 - the extra `fleet-ray`
        except ModuleNotFoundError as error:
            raise ConfigError(explain(error, "perception fleet --ray")) from error
        self._ray, self._stopped = ray, Flag()
        self.slots = slots or MANY
        try:
            ray.init(
                address="local" if local else None if address == AUTO else address,
                include_dashboard=False if local else None,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray raises of many kinds
            words = printable(masked(str(error).partition("\n")[0]))
            raise ConfigError(
                f"ray {address}: no cluster can be used ({type(error).__name__}: {words})"
            ) from error
        gpus = 1 if engine.startswith(_GPU) else 0
        # Attempts are counted by the fleet, as on one machine: Ray makes none by itself.
        self._task: Any = ray.remote(max_retries=0, num_cpus=1, num_gpus=gpus)(_work)
        self._jobs: dict[Any, Job] = {}

    def start(self, job: Job) -> None:
        self._jobs[self._task.options(name=job.title).remote(job.model_dump_json())] = job

    def wait(self) -> list[Event]:
        while not self._stopped.is_set():
            ended, _ = self._ray.wait(list(self._jobs), num_returns=1, timeout=STOP_S)
            if ended:
                return self._outcome(ended[0])
        return []

    def stop(self) -> None:
        self._stopped.set()

    def close(self) -> None:
        for reference in self._jobs:
            self._ray.cancel(reference, force=True)
        self._ray.shutdown()

    def _outcome(self, reference: Any) -> list[Event]:
        job = self._jobs.pop(reference)
        try:
            outcome = MESSAGES.validate_json(self._ray.get(reference))
        except self._ray.exceptions.RayError as error:
            line = str(error).strip().rpartition("\n")[2] or str(error)
            return [(job, Died(f"is gone ({type(error).__name__}: {printable(masked(line))})"))]
        return [(job, outcome), (job, Died("ended"))]


def _work(job: str) -> str:
    """In a worker of Ray."""
    from perception.app.logs import set_up  # noqa: PLC0415 - the driver perceives nothing
    from perception.fleet.worker import work  # noqa: PLC0415

    wanted = Job.model_validate_json(job)
    set_up(wanted.settings["log"], False)
    return work(wanted, lambda progress: None).model_dump_json()
