"""Serves a provider with Granian: a parent that only watches, and the workers, its children.

Everything that has connections or threads is made in a worker, after it was started. The parent claims the port, makes
what a first start needs, writes the first line of the log, and then replaces workers that die.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib.metadata import version
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.mp import MPServer, WorkerProcess

from .admission import WSGI, Admission
from .app import create_app
from .awaiting import AwaitingApp
from .connections import allow_connections
from .cores import keep_to_one
from .errors import ConfigurationError
from .listening import Address, claimed, resolve
from .memory import keep_memory_small
from .openid_provider import OpenIDProvider
from .request_log import configure_logging, logger, report_defect
from .settings import Settings
from .store import StoreError, StoreUnavailable

CANNOT_START = 3
"""The exit code of a worker that cannot start."""
ATTEMPTS = 5
"""How often in a row a worker may fail to start, once the provider has served, before all of it ends."""

_FILES = 100
_FILES_OF_A_THREAD = 6
"""Open files of a worker that are no connections of clients, at most."""
_TICK = 0.05
_WATCH = 1.0


def serve(provider: OpenIDProvider, configuration: Path, bind: str) -> None:
    """Serve at `bind` until SIGTERM or Ctrl+C. `configuration` is the file that the settings are from, for the log.

    Raises ConfigurationError, StoreUnavailable, StoreRefused before it serves; SystemExit where workers cannot start.
    """
    settings = provider.settings
    with claimed(resolve(bind)) as address:
        configure_logging(settings.log)
        awaited = _prepare(provider)
        _log_start(provider, configuration, address)
        if awaited is not None:
            logger.warning("store_awaited", reason=str(awaited))
        _warn_of_another_port(settings, address)
        server = Server(settings, address, greets=awaited is None)
        try:
            server.serve(target_loader=partial(build_app, settings, provider.secrets, address.port), wrap_loader=False)
        finally:  # none is left in order; after a defect of ours, nobody would watch them
            for worker in server.wrks:
                worker.kill()


def _prepare(provider: OpenIDProvider) -> StoreUnavailable | None:
    """Make what a first start needs. Answers why that is left to the workers, where a store's server is awaited."""
    try:
        provider.prepare()
    except StoreUnavailable as error:
        if not provider.awaits_store:
            raise
        return error
    return None


def _log_start(provider: OpenIDProvider, configuration: Path, address: Address) -> None:
    """The first line of the log: all that one wants to know when something is asked about this provider."""
    logger.info(
        "start",
        version=version("creance"),
        configuration=str(configuration.resolve()),
        store=provider.store.describe(),
        issuer=provider.settings.issuer,
        plugins=list(provider.plugins.plugins),
        bind=str(address),
        workers=provider.settings.http.workers,
    )


def _warn_of_another_port(settings: Settings, address: Address) -> None:
    """On loopback nothing stands between: clients go to the port of the issuer, wherever we listen."""
    expected = urlsplit(settings.issuer).port or 80
    if settings.loopback and address.port != expected:
        logger.warning(
            "another_port", issuer=settings.issuer, bind=str(address), hint="clients go to the issuer: change both"
        )


def welcome(settings: Settings) -> str:
    """What people are told once the provider answers."""
    lines = [settings.welcome.strip(), f"The provider answers at {settings.issuer}", "Ctrl+C stops it."]
    return "\n" + "\n".join(line for line in lines if line) + "\n"


# ----- The parent ----------------------------------------------------------------------------------------------------


class Server(MPServer):
    """Granian's server, with a rule of its own for workers that end.

    Granian gives up when a worker dies twice within seconds, however it died. Here one that was killed is always
    replaced, and the server ends when workers refuse to start.
    """

    def __init__(self, settings: Settings, address: Address, *, greets: bool = True) -> None:
        """`greets`: people are told when they can begin."""
        super().__init__(
            "creance",
            address=address.host,
            port=address.port,
            interface=Interfaces.WSGI,
            workers=settings.http.workers,
            blocking_threads=settings.http.threads + settings.http.awaited_bodies,  # begun when they are needed
            backpressure=allow_connections(
                settings.http.connections, _FILES + _FILES_OF_A_THREAD * settings.http.threads
            ),
            http1_settings=HTTP1Settings(header_read_timeout=settings.http.idle_timeout * 1000),
            workers_kill_timeout=settings.http.shutdown_timeout,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
        )
        self._settings = settings
        self._address = address
        self._greets = greets
        self._answered = False
        self._gave_up = False
        self._refusals: Counter[int] = Counter()

    def _serve_loop(self, spawn_target: Any, target_loader: Any) -> None:
        """Watch until we are asked to stop, or workers cannot start."""
        while not self.interrupt_signal and not self._gave_up:
            self.main_loop_interrupt.wait(_WATCH if self._answered else _TICK)
            self.main_loop_interrupt.clear()
            self._notice_first_answer()
            ended = [worker for worker in self.wrks if not worker.is_alive()]
            if ended and not self.interrupt_signal:
                self._replace(ended, spawn_target, target_loader)

    def _notice_first_answer(self) -> None:
        """Tell people that they can begin, when it is true."""
        if self._answered or not self._address.answers():
            return
        self._answered = True
        errors = sys.stderr  # not standard output: that is the log's
        if self._greets and errors is not None and (self._settings.welcome or errors.isatty()):
            with suppress(OSError, ValueError):  # nobody is there to read it; and nothing waits in a buffer
                os.write(errors.fileno(), f"{welcome(self._settings)}\n".encode())

    def _replace(self, ended: list[WorkerProcess], spawn_target: Any, target_loader: Any) -> None:
        """Start others for workers that ended; give up where they refuse to start, at first at once."""
        for worker in ended:
            self._note(worker)
        refusals = max(self._refusals.values(), default=0)
        if refusals >= (ATTEMPTS if self._answered else 1):
            self._gave_up = True
            return
        if refusals:
            self._pause(2 ** (refusals - 2))
        if not self.interrupt_signal:
            self._respawn_workers([worker.idx for worker in ended], spawn_target, target_loader)

    def _pause(self, seconds: float) -> None:
        """Wait, whatever else ends meanwhile; only a signal to stop is heard."""
        end = time.monotonic() + seconds
        while not self.interrupt_signal and (left := end - time.monotonic()) > 0:
            self.main_loop_interrupt.wait(left)
            self.main_loop_interrupt.clear()

    def _note(self, worker: WorkerProcess) -> None:
        """Log the end of a worker, and count the refusals in a row of those in its place."""
        exit_code = worker.inner.exitcode
        logger.warning("worker_ended", worker=worker.idx + 1, exit_code=exit_code)
        if exit_code == CANNOT_START:
            self._refusals[worker.idx] += 1
        else:
            del self._refusals[worker.idx]

    def _spawn_workers(self, spawn_target: Any, target_loader: Any) -> None:
        with _signals_blocked():
            super()._spawn_workers(spawn_target, target_loader)  # type: ignore[no-untyped-call]

    def _respawn_workers(self, workers: Any, spawn_target: Any, target_loader: Any, delay: float = 0) -> None:
        with _signals_blocked():
            super()._respawn_workers(workers, spawn_target, target_loader, delay)

    def signal_handler_reload(self, *arguments: Any, **named: Any) -> None:
        """SIGHUP, as when the terminal is closed: stop. The configuration is read at the start only."""
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def shutdown(self, exit_code: int = 0) -> None:
        """End: with an error only where we gave up."""
        self.interrupt_children.clear()  # or a worker that ends at the same signal as we would be a failure
        logger.info("stop", reason="workers cannot start" if self._gave_up else "asked to")
        super().shutdown(exit_code or int(self._gave_up))  # type: ignore[no-untyped-call]

    def _stop_workers(self) -> None:
        """Let the workers finish what they began, and cut off those that have not in time."""
        for worker in self.wrks:
            worker.terminate()
        running = {worker.inner.sentinel: worker for worker in self.wrks}
        end = time.monotonic() + self._settings.http.shutdown_timeout
        while running and (left := end - time.monotonic()) > 0:
            for sentinel in wait(list(running), left):
                del running[sentinel]
        for worker in running.values():
            logger.warning("worker_cut_off", worker=worker.idx + 1)
            worker.kill()
        self.wrks.clear()


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Start children with signals blocked, so that none is lost in one that has not yet set up what to do with it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# ----- A worker ------------------------------------------------------------------------------------------------------


def build_app(settings: Settings, secrets: list[bytes] | None, port: int) -> WSGI:
    """Called in each worker: everything that serves is made here. Ends the worker where that cannot be done."""
    obey_the_parent()
    if settings.http.one_core:
        keep_to_one()
    configure_logging(settings.log)
    relay_server_log()
    try:
        provider = OpenIDProvider(settings)
        provider.secrets = secrets
        app = _app_of(provider)
    except Exception as error:
        _explain_failure(error)
        sys.exit(CANNOT_START)
    multiprocessing.util.Finalize(None, provider.stop, exitpriority=1)  # atexit does not run in a forked child
    return Admission(app, settings.http, port)


def _app_of(provider: OpenIDProvider) -> WSGI:
    """The app, or what answers in its place while the server of the store is awaited."""

    def make() -> WSGI:
        app = create_app(provider)
        keep_memory_small()
        return app

    try:
        return make()
    except StoreUnavailable:
        if not provider.awaits_store:
            raise

    def failed(error: Exception) -> None:
        _explain_failure(error)
        os._exit(CANNOT_START)  # a thread has no other way to end its process; nothing was begun

    waiting = AwaitingApp(provider, make, failed)
    waiting.start()
    multiprocessing.util.Finalize(None, waiting.stop, exitpriority=2)
    return waiting


def _explain_failure(error: Exception) -> None:
    if isinstance(error, ConfigurationError | StoreError | OSError):
        logger.error("worker_cannot_start", reason=str(error))
    else:
        report_defect("the start of a worker", error)


def obey_the_parent() -> None:
    """Make SIGTERM, and the death of the parent, reach the main thread, where the server listens for SIGINT too.

    The system gives a signal to any thread of a process, and what sleeps in the main thread may never learn of it. So
    SIGTERM is blocked in all threads, and one waits for it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends a worker that is still starting
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for task in (_pass_on_sigterm, _notice_the_parents_death):
        threading.Thread(target=task, name=task.__name__.strip("_"), daemon=True).start()


def _pass_on_sigterm() -> None:
    signal.sigwait({signal.SIGTERM})
    while True:  # the server may have heard the first one before it knew what to do
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(1)


def _notice_the_parents_death() -> None:
    """A worker that is left alone would keep the port, and nobody would watch it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


class _ServerLog(logging.Handler):
    """Granian's own lines, in our log: the first of each.

    The others are a traceback, and the message of an exception may quote what was sent.
    """

    def emit(self, record: logging.LogRecord) -> None:
        log: Callable[..., None] = logger.error if record.levelno >= logging.ERROR else logger.warning
        log("server", message=record.getMessage().partition("\n")[0])


def relay_server_log() -> None:
    """Warnings and errors of Granian go to our log, in its form."""
    server_log = logging.getLogger("_granian")
    server_log.handlers = [_ServerLog()]
    server_log.setLevel(logging.WARNING)
