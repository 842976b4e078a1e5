import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emotrace import running
from emotrace.errors import EmotraceError


def square(number):
    return number * number


def moody(number):
    """Fails, or dies as a process does that the system kills."""
    if number == 1:
        raise EmotraceError("one is not liked")
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def leaves_a_file_while_it_works(folder):
    begun = Path(folder, str(os.getpid()))
    begun.touch()
    try:
        time.sleep(600)
    finally:
        begun.unlink()


def starts_late():
    time.sleep(1)
    running._prepare_worker()


def leaves_a_file_in_the_end(folder):
    time.sleep(20)
    Path(folder, str(os.getpid())).touch()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_results_keep_the_order_of_their_items(workers):
    assert list(running.ahead(square, range(50), workers)) == [n * n for n in range(50)]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_no_more_is_taken_than_is_worked_on(workers):
    taken = []
    results = running.ahead(square, iter(lambda: taken.append(0) or len(taken), 40), workers)
    for used, _ in enumerate(results, start=1):
        assert len(taken) - used <= workers


def test_items_are_taken_in_the_callers_thread():
    seen = list(running.ahead(square, (threading.get_ident() for _ in range(5)), 2))
    assert seen == [threading.get_ident() ** 2] * 5


def test_an_error_in_a_thread_is_the_callers():
    with pytest.raises(ZeroDivisionError):
        list(running.ahead(lambda n: 1 // n, [1, 0, 1], 2))


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_item_is_done_once(jobs):
    done = list(running.each(square, range(7), jobs))
    assert sorted((d.item, d.result) for d in done) == [(n, n * n) for n in range(7)]
    assert all(d.error is None for d in done)


def test_no_items_need_no_work():
    assert list(running.each(square, [], 3)) == []


def test_errors_and_killed_workers_stop_nobody_else():
    done = {d.item: d for d in running.each(moody, range(4), 2)}
    assert sorted(done) == list(range(4))
    assert str(done[1].error) == "one is not liked"
    assert isinstance(done[2].error, running.WorkerLostError)
    assert "\n" not in str(done[2].error)
    pids = {done[n].result for n in (0, 3)}
    assert os.getpid() not in pids
    assert None not in pids


def test_stopping_early_ends_workers_and_lets_them_clean_up(tmp_path, monkeypatch):
    def stop_when_begun(*args, **kwargs):
        while not list(tmp_path.iterdir()):
            time.sleep(0.02)
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "wait", stop_when_begun)
    with pytest.raises(KeyboardInterrupt):
        list(running.each(leaves_a_file_while_it_works, [str(tmp_path)] * 3, 2))
    assert list(tmp_path.iterdir()) == []


def test_stopping_while_workers_start_does_not_wait_for_their_items(tmp_path, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_prepare_worker", starts_late)
    monkeypatch.setattr(running, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        list(running.each(leaves_a_file_in_the_end, [str(tmp_path)] * 3, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path):
    marks = tmp_path / "marks"
    marks.mkdir()
    script = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_running
from emotrace import running
if __name__ == "__main__":
    list(running.each(test_running.leaves_a_file_while_it_works, [{str(marks)!r}] * 2, 2))
"""
    (tmp_path / "parent.py").write_text(script)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py"])
    until(lambda: len(list(marks.iterdir())) == 2)
    workers = [int(mark.name) for mark in marks.iterdir()]
    parent.kill()
    parent.wait()
    until(lambda: not any(alive(pid) for pid in workers))


def alive(pid):
    """Whether a process is there and no zombie that nobody has waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def until(true, seconds=120):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.mark.parametrize(("jobs", "backend"), [(0, "processes"), (1, "threads")])
def test_wrong_arguments(jobs, backend):
    with pytest.raises(ValueError):
        running.each(square, [1], jobs, backend)


def test_without_ray_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(EmotraceError, match=r"emotrace\[ray\]"):
        list(running.each(square, [1], 1, "ray"))


def test_ray_does_the_same():
    pytest.importorskip("ray", reason="the extra emotrace[ray] is not installed")

    def mixed(number):  # Ray's workers know nothing of this file, so the function goes to them whole
        if number == 1:
            raise ValueError("one is not liked")
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return os.getpid()

    try:
        done = {d.item: d for d in running.each(mixed, range(4), 2, "ray")}
    except running.RayStartError as error:
        pytest.skip(f"Ray does not start here: {error}")
    assert sorted(done) == [0, 1, 2, 3]
    assert isinstance(done[1].error, ValueError)
    assert isinstance(done[2].error, running.WorkerLostError)
    assert {done[0].result, done[3].result}.isdisjoint({None, os.getpid()})
