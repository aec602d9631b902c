"""Moments in, waiting times out: so far apart at least, and so many in a window at most. Pure."""

from collections import deque


class Pace:
    """Keeps a remedy from becoming the next problem."""

    def __init__(self, *, spacing_s: float, most: int, window_s: float) -> None:
        self._spacing_s = spacing_s
        self._most = most
        self._window_s = window_s
        self._times: deque[float] = deque()

    def ask(self, now_s: float) -> float | None:
        """Return the seconds to wait before the next one, which is thereby booked; None when there were too many."""
        while self._times and self._times[0] <= now_s - self._window_s:
            self._times.popleft()
        if len(self._times) >= self._most:
            return None
        at = max(now_s, self._times[-1] + self._spacing_s) if self._times else now_s
        self._times.append(at)
        return at - now_s
