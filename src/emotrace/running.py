"""Work on many things at once: threads that look ahead, processes of this machine, or a Ray cluster."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from emotrace.errors import EmotraceError

BACKENDS = ("processes", "ray")

_LOOK_S = 0.5

_ending = False

Item = TypeVar("Item")
Result = TypeVar("Result")


class WorkerLostError(EmotraceError):
    """The process that worked on an item ended on the way; the system kills one when memory runs out."""

    def __init__(self) -> None:
        super().__init__("its process was killed, perhaps for lack of memory; free some or lower --jobs")


class RayStartError(EmotraceError):
    """Ray is installed, but no cluster answers."""


@dataclass(frozen=True)
class Done(Generic[Item, Result]):
    """An item that was worked on, and either what came of it or what went wrong."""

    item: Item
    result: Result | None = None
    error: Exception | None = None


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def ahead(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Generator[Result, None, None]:
    """Results in the order of their items, made in threads while the caller uses the last one.

    No more items are taken than there are workers and one more, so that whatever makes them need not be bounded.
    A caller that may stop early closes this: its threads end with it, and whatever thread the garbage is collected in
    may hold the lock that ending them takes.

    Args:
        work: called once an item; with one worker, one after the other.
        items: taken in the caller's thread.
        workers: threads; without any, the work is done in the caller's.
    """
    if not workers:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def each(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int = 1, backend: str = "processes"
) -> Generator[Done[Item, Result], None, None]:
    """Work on every item, one not minding what becomes of another.

    A caller that stops early, Ctrl-C included, ends the workers at once; what ``work`` cleans up in ``finally`` is
    cleaned up.

    Args:
        work: a function of a module; it, the items and the results must pickle unless there is one job.
        items: taken as there is room.
        jobs: items worked on at once.
        backend: ``processes`` of this machine (with one job, this very process), or ``ray``: the cluster that
            ``RAY_ADDRESS`` names, else one of its own on this machine. A cluster's machines must see the same files.

    Yields:
        One `Done` an item, as they are done, with the exception of ``work`` in it, or `WorkerLostError` where its
        process died.

    Raises:
        EmotraceError: Ray is asked for and not installed.
        RayStartError: Ray's cluster does not answer.
        ValueError: ``jobs`` is not positive, or another backend.
    """
    if jobs < 1 or backend not in BACKENDS:
        raise ValueError(f"jobs is {jobs} and backend {backend!r}; jobs must be positive, backends are {BACKENDS}")
    if backend == "ray":
        return _on_ray(work, items, jobs)
    return (_done(work, item) for item in items) if jobs == 1 else _in_processes(work, items, jobs)


def _done(work: Callable[[Item], Result], item: Item) -> Done[Item, Result]:
    try:
        return Done(item, work(item))
    except Exception as error:
        return Done(item, error=error)


def _in_processes(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Generator[Done[Item, Result], None, None]:
    left = iter(items)
    busy: dict[Future[Result], tuple[_Worker, Item]] = {}

    def give(worker: _Worker) -> None:
        for item in left:
            busy[worker.pool.submit(_unless_ending, work, item)] = worker, item
            return
        worker.end()

    try:
        for _ in range(jobs):
            give(_Worker())
        while busy:
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                worker, item = busy.pop(future)
                done = _outcome(future, item)
                give(_Worker() if isinstance(done.error, WorkerLostError) else worker)
                yield done
    finally:
        for worker, _ in busy.values():
            worker.end(at_once=True)


def _outcome(future: "Future[Result]", item: Item) -> Done[Item, Result]:
    try:
        return Done(item, future.result())
    except BrokenProcessPool:
        return Done(item, error=WorkerLostError())
    except Exception as error:
        return Done(item, error=error)


class _Worker:
    """A pool of one process: when it breaks, it is known whose fault it was, and the others go on."""

    def __init__(self) -> None:
        # A fork would copy locks of onnxruntime and of BLAS in whatever state other threads left them.
        context = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(1, mp_context=context, initializer=_prepare_worker)
        with _interrupt_ignored():
            self._pid = self.pool.submit(os.getpid)

    def end(self, at_once: bool = False) -> None:
        if at_once:
            # The item of one that is still starting lies ready for it, and would be worked on to its end.
            with suppress(BrokenProcessPool, ProcessLookupError):
                os.kill(self._pid.result(), signal.SIGTERM)
        self.pool.shutdown(wait=at_once, cancel_futures=True)


def _prepare_worker() -> None:
    signal.signal(signal.SIGTERM, _end)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end(*_: object) -> None:
    """Unwinds the stack, so that no temporary file stays."""
    global _ending
    _ending = True
    sys.exit(1)


def _unless_ending(work: Callable[[Item], Result], item: Item) -> Result:
    """What a worker does with an item: the pool swallows an exit that comes while it hands over a result."""
    if _ending:
        sys.exit(1)
    return work(item)


def _end_with(parent: int) -> None:
    """A worker whose parent was killed would go on with its item, beside whoever begins that anew."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


@contextmanager
def _interrupt_ignored() -> Iterator[None]:
    """A process started meanwhile never notices Ctrl-C, which reaches the whole group: its parent ends it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _on_ray(
    work: Callable[[Item], Result], items: Iterable[Item], jobs: int
) -> Generator[Done[Item, Result], None, None]:
    ray = _ray()
    with _cluster(ray, jobs):
        # A function of our own: Ray takes nothing else, such as a partial one.
        remote = ray.remote(max_retries=0)(lambda item: work(item))
        left = iter(items)
        busy: dict[Any, Item] = {remote.remote(item): item for _, item in zip(range(jobs), left, strict=False)}
        try:
            while busy:
                (ready,), _ = ray.wait(list(busy), num_returns=1)
                item = busy.pop(ready)
                busy |= {remote.remote(later): later for _, later in zip(range(1), left, strict=False)}
                yield _ray_outcome(ray, ready, item)
        finally:
            for running in busy:
                ray.cancel(running)
            ray.wait(list(busy), num_returns=len(busy), timeout=5) if busy else None


def _ray() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise EmotraceError('--backend ray needs Ray; install it with: pip install "emotrace[ray]"') from None
    return ray


@contextmanager
def _cluster(ray: Any, jobs: int) -> Iterator[None]:
    """Ray as it is set up already, as ``RAY_ADDRESS`` names it, or on this machine alone."""
    ours = not ray.is_initialized()
    if ours:
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": jobs, "include_dashboard": False}
        try:
            ray.init(log_to_driver=False, logging_level="ERROR", **local)
        except Exception as error:  # Ray raises what comes, from ConnectionError to plain Exception
            reason = " ".join(str(error).split())
            raise RayStartError(
                f"Ray cannot be started or reached ({reason}); check RAY_ADDRESS, or try again"
            ) from None
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def _ray_outcome(ray: Any, ready: Any, item: Item) -> Done[Item, Result]:
    try:
        return Done(item, ray.get(ready))
    except ray.exceptions.RayTaskError as error:
        return Done(item, error=error.cause if isinstance(error.cause, Exception) else error)
    except ray.exceptions.RayError:
        return Done(item, error=WorkerLostError())
