"""What takes minutes, one at a time, in a thread: adapting and predicting, with progress and a stop."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from capekit.errors import CapekitError


class Stopped(Exception):
    """The person asked the work to end."""


@dataclass
class _Job:
    kind: str | None = None
    running: bool = False
    fraction: float = 0.0
    text: str = ''
    error: str | None = None
    started: float = 0.0


class Work:
    """At most one running job and how the last one ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._job = _Job()

    def status(self) -> dict:
        """`kind`, `running`, `fraction` done, `text`, `error` and `seconds_left` (None where it cannot be told yet)."""
        with self._lock:
            job = replace(self._job)
        spent = time.monotonic() - job.started
        left = round(spent * (1 - job.fraction) / job.fraction) if job.running and job.fraction > 0.02 else None
        return dict(kind=job.kind, running=job.running, fraction=job.fraction, text=job.text, error=job.error,
                    seconds_left=left)

    def start(self, kind: str, job: Callable[[Callable[[float, str], None]], str]) -> None:
        """Run `job(progress)` in a thread; it returns a line for the person, and calls `progress(fraction, text)`.

        Raises:
            CapekitError: another job runs.
        """
        with self._lock:
            if self._job.running:
                raise CapekitError(f'{self._job.kind} is still running; stop it first')
            self._stop.clear()
            self._job = _Job(kind, True, text='starting', started=time.monotonic())
        self._thread = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._thread.start()

    def stop(self, wait: float = 0) -> None:
        """Ask the job to end at its next report of progress."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(wait)

    def progress(self, fraction: float, text: str) -> None:
        """Called by the job.

        Raises:
            Stopped: the person asked for it.
        """
        if self._stop.is_set():
            raise Stopped
        with self._lock:
            self._job.fraction, self._job.text = min(max(fraction, 0.0), 1.0), text

    def _run(self, job: Callable[[Callable[[float, str], None]], str]) -> None:
        text, error = '', None
        try:
            text = job(self.progress)
        except Stopped:
            text = 'stopped'
        except CapekitError as problem:
            error = str(problem)
        except Exception as problem:
            logging.getLogger(__name__).exception('the job failed')
            error = f'{type(problem).__name__}: {problem} (the terminal has the details)'
        with self._lock:
            self._job = _Job(self._job.kind, False, 1.0 if error is None else 0.0, text, error)
