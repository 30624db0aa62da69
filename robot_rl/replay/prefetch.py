"""Draw the next batch in a thread while the learner's device works on this one."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from robot_rl.replay.buffer import Replay


class Prefetcher:
    """What `replay` draws, in its order; pays where the update runs on a GPU.

    The replay must not grow while a batch is being drawn: call `settle` before adding to it. A
    batch that was drawn before rewards were rewritten is drawn again when it is asked for.
    """

    def __init__(self, replay: Replay, n: int) -> None:
        self._replay, self._n = replay, n
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        self._pending: Future[tuple[int, Any]] | None = None

    def __call__(self) -> Any:
        pending, self._pending = self._pending, None
        revision, batch = self._draw() if pending is None else pending.result()
        if revision != self._replay.revision:
            _, batch = self._draw()
        self._pending = self._thread.submit(self._draw)
        return batch

    def settle(self) -> None:
        """Wait until the batch in flight is drawn."""
        if self._pending is not None:
            self._pending.exception()

    def _draw(self) -> tuple[int, Any]:
        """A batch, and how often rewards had been rewritten before it was drawn."""
        revision = self._replay.revision
        return revision, self._replay.sample(self._n)
