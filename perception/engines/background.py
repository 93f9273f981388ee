"""A call in a thread of its own, which the end of the process does not wait for."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True)
class Call(Generic[Result]):
    """What it will give, or raise, and the thread that it runs in."""

    future: Future[Result]
    thread: Thread


def call_in_background(function: Callable[[], Result], name: str) -> Call[Result]:
    """Begin the call. Unlike an executor's, its thread is a daemon: who begins it sees to its end."""
    future: Future[Result] = Future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised where the result is wanted
            future.set_exception(error)
        else:
            future.set_result(result)

    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    return Call(future, thread)
