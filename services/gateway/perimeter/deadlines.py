"""Requests whose answer does not begin in time are ended: one timer looks at all of them, not one for each."""

import asyncio
from typing import Protocol


class Late(Protocol):
    """What is ended."""

    late: bool
    """Set before its task is cancelled."""


class Deadlines:
    """The requests of one process, in the order in which they came; all have the same time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[Late, tuple[float, asyncio.Task[object]]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, request: Late) -> None:
        """Give the running task its time."""
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None, "a request is answered by a task"
        self._due[request] = loop.time() + self.seconds, task
        if self._timer is None:
            self._timer = loop.call_later(self.seconds, self._look, loop)

    def end(self, request: Late) -> None:
        """Take its answer as begun, or its task as ended."""
        self._due.pop(request, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        for request, (due_s, task) in list(self._due.items()):
            if due_s > loop.time():
                self._timer = loop.call_at(due_s, self._look, loop)
                return
            del self._due[request]
            request.late = True
            task.cancel()
