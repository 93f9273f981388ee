"""A call in its own thread, which the end of the process does not wait for."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Generic, TypeVar

Result = TypeVar("Result")

# The name of a thread that was given up. While it is in a library's call the process must not end in order:
# the library would go from under it.
LEFT_BEHIND = "left behind"


@dataclass(frozen=True)
class Call(Generic[Result]):
    """Its future result or error, and the thread that it runs in."""

    future: Future[Result]
    thread: Thread


def call_in_background(function: Callable[[], Result], name: str) -> Call[Result]:
    """Start the call. Unlike an executor's, its thread is a daemon: the caller must wait for it."""
    future: Future[Result] = Future()

    def work() -> None:
        try:
            result = function()
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            future.set_exception(error)
        else:
            future.set_result(result)

    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    return Call(future, thread)


def end_or_leave(thread: Thread, seconds: float) -> None:
    """Wait for its end; one that goes on gets the name LEFT_BEHIND."""
    thread.join(seconds)
    if thread.is_alive():
        thread.name = LEFT_BEHIND
