"""Sample the next batch in a thread while the learner's device works on this one."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from robot_rl.types import Batch


class Prefetcher:
    """Batches in the order of `sample`; pays where the update runs on a GPU.

    The replay must not change while a batch is being drawn: call `settle` before adding to it.
    """

    def __init__(self, sample: Callable[[], Batch]) -> None:
        self._sample = sample
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch")
        self._pending: Future[Batch] | None = None

    def __call__(self) -> Batch:
        batch = self._sample() if self._pending is None else self._pending.result()
        self._pending = self._thread.submit(self._sample)
        return batch

    def settle(self) -> None:
        """Wait until the batch in flight is drawn."""
        if self._pending is not None:
            self._pending.exception()
