"""Signals that ask to stop: taken between steps where that matters, and never lost.

Python raises what a handler raises wherever it happens to be. Inside a weakref callback or a
finaliser the exception is ignored, and the process would go on to its end.
"""

from __future__ import annotations

import _thread
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")
"""Ctrl-C, and what batch systems send."""


class Stopped(KeyboardInterrupt):
    """A signal asked to stop."""


class _State:
    """What was asked so far, and how many `between_steps` are under way."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.sections = 0
        self.hook = sys.unraisablehook

    def handle(self, number: int, frame: Any) -> None:
        self.asked.append(number)
        if frame is not None and frame.f_code is _State.ignored.__code__:
            _once_more(number)  # it would be ignored here too
        elif not self.sections or len(self.asked) > 1:
            raise Stopped(signal.Signals(number).name)

    def ignored(self, what: Any) -> None:
        """Handle a signal again whose exception was ignored; be `sys.unraisablehook` for it."""
        if issubclass(what.exc_type, Stopped):
            _once_more(self.asked[-1])
        else:
            self.hook(what)

    def check(self) -> None:
        if self.asked:
            raise Stopped(signal.Signals(self.asked[0]).name)


def _once_more(number: int) -> None:
    """Let a signal come again a little later, when the callback has returned."""

    def come() -> None:
        time.sleep(0.02)
        _thread.interrupt_main(signal.Signals(number))

    _thread.start_new_thread(come, ())


_state = _State()


@contextmanager
def stop_on_signals() -> Iterator[None]:
    """Raise `Stopped` on the signals of `NAMES`, inside `between_steps` at its next check.

    A second signal is raised at once. A SIGINT that the process ignores or has a handler of its
    own for is left alone.
    """
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        numbers.remove(signal.SIGINT)
    _state.asked.clear()
    before = {number: signal.signal(number, _state.handle) for number in numbers}
    _state.hook, sys.unraisablehook = sys.unraisablehook, _state.ignored
    try:
        yield
    finally:
        sys.unraisablehook = _state.hook
        for number, handler in before.items():
            signal.signal(number, handler)
        _state.asked.clear()


@contextmanager
def between_steps() -> Iterator[Callable[[], None]]:
    """Give a function to call between steps: it raises `Stopped` if a signal has come.

    So does leaving. Steps themselves are not cut short, but by a second signal.
    """
    _state.sections += 1
    try:
        yield _state.check
        _state.check()
    finally:
        _state.sections -= 1
