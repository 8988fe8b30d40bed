"""Units as tasks of Ray: on a box with several GPUs, or on a cluster."""

from __future__ import annotations

import logging
import math
import os
import secrets
import threading
import warnings
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from nephrograde.errors import InputError, Problem, require_package
from nephrograde.placing.engine import asks_too_much
from nephrograde.placing.ray_address import check_answers
from nephrograde.placing.ray_folder import folder_of_ray
from nephrograde.placing.unit import Done, attempt
from nephrograde.signals import keeping_handlers, postponed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from nephrograde.placing.engine import Engine
    from nephrograde.placing.unit import Unit

_RETRIES = 3
"""How often a unit is begun again whose process or machine is gone."""
_STORE_BYTES = 100_000_000
"""Of the object store of a Ray that is started here; results go through the folder, which is seen here."""
_LOOK_EVERY_S = 1.0
_TAKE_SIGNALS_EVERY_S = 0.01
_GB = 1e9
_RESOURCES = (
    ("num_cpus", "cpus", "CPU", 1.0),
    ("num_gpus", "gpus", "GPU", 1.0),
    ("memory", "memory_gb", "memory", _GB),
)
"""What a unit may be given: by the names of Ray's options, of ours, and of what a cluster has; and the unit of ours."""
_QUIET: Mapping[str, str] = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent, and nothing is written to ~/.ray
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # silences a warning about CUDA_VISIBLE_DEVICES
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
_LOOPBACK: Mapping[str, str] = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray then takes 127.0.0.1 for the address of this machine, and listens there only."""


def place_on_ray(units: Sequence[Unit], engine: Engine, *, cpus: int, collect: Callable[[int, Done], None]) -> None:
    """Do units as tasks of Ray, on this machine or on a cluster, and wait for all of them.

    A unit whose machine is lost is begun again elsewhere. Where a machine does not see the folder, the unit takes along
    what it needs and returns what it made.

    Args:
        units: The units.
        engine: Ray with its address and options. Without address, Ray is started here, on 127.0.0.1 and with a
            temporary folder of its own, unless the variable RAY_ADDRESS names a cluster.
        cpus: Processors for each unit, unless an option says otherwise.
        collect: Called with the number of each unit that is done, and what came of it.

    Raises:
        InputError: Ray is not installed, the cluster cannot be reached, or has too little for a unit.
    """
    with _joined(engine) as ray:
        options = _options(ray.cluster_resources(), engine, cpus=cpus)
        task = ray.remote(attempt).options(max_retries=_RETRIES, **options)
        carrying = ray.remote(_attempt_with).options(max_retries=_RETRIES, **options)
        packed: dict[str, Any] = {}
        running: dict[Any, int] = {task.remote(unit.call): number for number, unit in enumerate(units)}
        try:
            while running:
                ready, _ = ray.wait(list(running), num_returns=1, timeout=_LOOK_EVERY_S)
                for reference in ready:
                    number = running.pop(reference)
                    done, carried = _came_of(ray, reference), units[number].carried
                    if done.is_unseen and carried is not None:
                        if carried.key not in packed:
                            packed[carried.key] = ray.put(carried.pack())
                        running[carrying.remote(carried.call, packed[carried.key])] = number
                    else:
                        collect(number, done)
        finally:
            for reference in running:
                ray.cancel(reference, force=True)


def _attempt_with(call: Callable[[Any], object], luggage: Any) -> Done:
    """A task of Ray on a machine that does not see the folder."""
    return attempt(lambda: call(luggage))


def _came_of(ray: Any, reference: Any) -> Done:
    """What came of a task, also of one whose process or machine is gone."""
    try:
        done: Done = ray.get(reference)
    except ray.exceptions.WorkerCrashedError:  # Ray names logs that are removed with its folder
        times = _RETRIES + 1
        return Done(problem=f"its process ended unexpectedly, {times} times, perhaps because memory ran out")
    except ray.exceptions.RayError as error:
        return Done(problem=" ".join(str(error).split()))
    return done


def _options(there: Mapping[str, float], engine: Engine, *, cpus: int) -> dict[str, float]:
    """What Ray reserves for a unit: a GPU where there is one, unless an option says otherwise."""
    gpus = engine.amount("gpus")
    memory_gb = engine.amount("memory_gb")
    options = {
        "num_cpus": float(engine.number("cpus") or cpus),
        "num_gpus": float(min(1.0, there.get("GPU", 0.0)) if gpus is None else gpus),
        **({} if memory_gb is None else {"memory": float(math.ceil(memory_gb * _GB))}),
    }
    problems = [
        asks_too_much("--on ray", called, asked=options[name] / unit, there=there.get(resource, 0.0) / unit)
        for name, called, resource, unit in _RESOURCES
        if options.get(name, 0.0) > there.get(resource, 0.0)
    ]
    if problems:
        raise InputError(problems)
    return options


@contextmanager
def _joined(engine: Engine) -> Iterator[Any]:
    """Join a cluster, or start Ray on this machine, for the duration of the block."""
    address = engine.address or os.environ.get("RAY_ADDRESS", "")
    is_own = address in {"", "local"}
    own_only = {**_LOOPBACK, "RAY_AUTH_TOKEN": _token()} if is_own else {}
    before = {name: os.environ.get(name) for name in (*_QUIET, *own_only, "RAY_AUTH_MODE")}
    os.environ.update({name: value for name, value in _QUIET.items() if name not in os.environ} | own_only)
    try:
        require_package("--on ray", "ray", "ray")  # with these variables, as Ray reads some when it is imported
        import ray

        if not is_own:
            check_answers(address)
        with folder_of_ray() if is_own else nullcontext() as own_dir, _silent(ray), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            own: dict[str, Any] = {
                "address": "local",
                "include_dashboard": False,
                "object_store_memory": _STORE_BYTES,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": str(own_dir),
            }
            try:
                with keeping_handlers():
                    ray.init(
                        **(own if is_own else {"address": address}),
                        configure_logging=False,
                        log_to_driver=False,
                    )
            except SystemExit:  # what Ray makes of SIGTERM while it begins
                raise KeyboardInterrupt from None
            except (ConnectionError, ImportError, OSError, RuntimeError, ValueError) as error:
                raise _unreached(address, error) from None
            try:
                yield ray
            finally:
                _shut_down(ray)
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


def _shut_down(ray: Any) -> None:
    """End Ray, which leaves much behind if it is interrupted, and lets SIGTERM end the process at once meanwhile."""
    ending = threading.Thread(target=ray.shutdown, name="nephrograde-ray-ends")
    with postponed() as take_signals:
        ending.start()
        while ending.is_alive():
            take_signals()
            ending.join(_TAKE_SIGNALS_EVERY_S)


@contextmanager
def _silent(ray: Any) -> Iterator[None]:
    """Keep Ray from announcing how it is set up, and on this machine's own address if it was imported before."""
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # of a lost node, Ray would print a page
    constants = ray._private.ray_constants  # what the variable decides at the first import
    reachable = constants.ENABLE_RAY_CLUSTER
    worker = ray._private.worker
    printed = worker.print_to_stdstream  # prints a page on the output for each process that is lost
    constants.ENABLE_RAY_CLUSTER = os.environ.get("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER") != "0"
    worker.print_to_stdstream = lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = printed
        logger.setLevel(level)
        constants.ENABLE_RAY_CLUSTER = reachable


@cache
def _token() -> str:
    """The token by which a Ray that is started here keeps others out, which Ray would write to ~/.ray otherwise.

    Ray reads it once in a process.
    """
    return secrets.token_hex(32)


def _unreached(address: str, error: Exception) -> InputError:
    told = " ".join(str(error).split())
    remedy = "Check the address, and that the cluster runs the same versions of Ray and Python."
    return InputError([Problem(address or "--on ray", f"Ray cannot be used there ({told})", remedy)])
