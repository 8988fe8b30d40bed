"""A study on SLURM and on Ray: the scores of a local run, whatever fails meanwhile, and nothing in the home folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from tests.waiting_units import GIVE_UP_S, Waiting, when_begun
from tests.without_report import evaluate_alone

from nephrograde.cohort.stage import load_inputs
from nephrograde.errors import FitError, InputError, RunError
from nephrograde.pipeline import fit_study, list_units, prepare_study
from nephrograde.placing.engine import parse_engine
from nephrograde.placing.on_ray import _came_of, _options
from nephrograde.placing.place import place_units
from nephrograde.placing.unit import Done, Unit, attempt
from nephrograde.run.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nephrograde.run.fold_folder import FoldFolder

pytestmark = pytest.mark.slow


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder."""
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def prepared(one_arm_dir: Path, tmp_path: Path) -> Path:
    """A run folder with its prepared scans."""
    return shutil.copytree(one_arm_dir / "prepared", tmp_path / "run")


def check_scores(one_arm_dir: Path, run_dir: Path) -> None:
    """Evaluate, and compare with the local run byte by byte."""
    evaluate_alone(load_inputs(one_arm_dir / "cohort" / "study.toml"), run_dir)
    for name in ("scores/scores.csv", "statistics/estimates.csv"):
        assert (run_dir / name).read_bytes() == (one_arm_dir / "run" / name).read_bytes(), name


@pytest.mark.needs("submitit")
def test_job_arrays_give_the_scores_of_a_local_run(one_arm_dir: Path, tmp_path: Path, home: Path) -> None:
    """Scans are prepared in blocks, and models fitted by jobs; submitit starts them on this machine."""
    study, run = load_inputs(one_arm_dir / "cohort" / "study.toml"), RunFolder(tmp_path / "run")
    engine = parse_engine("slurm", ["cluster=local", "block=12", "at_once=2", "minutes=10"])
    prepare_study(study, run, engine=engine)
    assert len(list(run.logs_dir.glob("*.out"))) == 2  # two blocks of 12 patients
    fit_study(study, run, engine=engine)
    assert len(list(run.logs_dir.glob("*.out"))) == 4
    assert not list(run.logs_dir.glob("*.pkl"))
    check_scores(one_arm_dir, run.run_dir)
    assert list(home.iterdir()) == []


@pytest.mark.needs("submitit")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # submitit leaves its logs open here
def test_a_unit_that_fails_is_named_and_the_others_are_kept(one_arm_dir: Path, prepared: Path) -> None:
    study, run = load_inputs(one_arm_dir / "cohort" / "study.toml"), RunFolder(prepared)
    obstacle = run.fold("weak-1-cmp", 0).fold_dir
    obstacle.parent.mkdir(parents=True)
    obstacle.write_text("in the way", encoding="utf-8")
    engine = parse_engine("slurm", ["cluster=debug", "cpus=1"])
    with pytest.raises(
        FitError, match=r"1 of 2 units failed:\n +weak-1-cmp/fold-0: .*it is not a folder.*\n1 are done"
    ):
        fit_study(study, run, engine=engine)
    assert list_units(study, run) == {"weak-1-cmp/fold-0": False, "weak-1-cmp/fold-1": True}
    obstacle.unlink()
    fit_study(study, run, engine=engine)
    check_scores(one_arm_dir, prepared)


@pytest.fixture(scope="module")
def short_dir() -> Iterator[Path]:
    """A temporary folder with a name that is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory(prefix="ng", dir="/tmp", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def listening() -> set[str]:
    """The addresses on which processes of a Ray that nephrograde has started listen."""
    own = {}
    for name in ("tcp", "tcp6"):
        for line in Path("/proc/net", name).read_text(encoding="ascii").splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":  # it listens
                own[f"socket:[{words[9]}]"] = words[1].partition(":")[0]
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"/ngray-" in (process / "cmdline").read_bytes():
                found |= {own[at] for path in (process / "fd").iterdir() if (at := str(path.readlink())) in own}
    return found


def killed_with_ray(words: list[str], temporary_dir: Path) -> list[Path]:
    """Kill a command as soon as its Ray has begun, and return the processes of Ray that do not end with it."""
    given: dict[str, Any] = {
        "env": {**os.environ, "TMPDIR": str(temporary_dir)},
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    with subprocess.Popen([sys.executable, "-m", "nephrograde", *words], **given) as process:
        deadline = time.monotonic() + GIVE_UP_S
        while not (sessions := list(temporary_dir.glob("ngray-*/r/session_*/logs/runtime_env_agent.log"))):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()
    folder = sessions[0].parents[3]
    assert folder.stat().st_mode & 0o077 == 0  # Ray lets everybody write to its own
    found = []
    for running in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if any(f"{folder}/" in str(handle.readlink()) for handle in (running / "fd").iterdir()):
                found.append(running)
    return found


@pytest.mark.needs("ray")
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="sockets are found in /proc")
def test_ray_on_this_machine_gives_the_scores_of_a_local_run(
    one_arm_dir: Path, prepared: Path, home: Path, short_dir: Path
) -> None:
    """It is started for the study alone: only this machine reaches it, and nothing is left of it."""
    words = ["fit", str(one_arm_dir / "cohort" / "study.toml"), "--out", str(prepared), "--on", "ray"]
    left = killed_with_ray(words, short_dir)
    seen = set()
    with subprocess.Popen(
        [sys.executable, "-m", "nephrograde", *words],
        env={**os.environ, "TMPDIR": str(short_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        deadline = time.monotonic() + GIVE_UP_S
        while process.poll() is None and time.monotonic() < deadline:
            seen |= listening()
            time.sleep(0.5)
        process.kill()
        printed, _ = process.communicate()
    assert process.returncode == 0, printed
    assert "RAY_AUTH" not in printed
    check_scores(one_arm_dir, prepared)
    assert seen <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert seen
    assert list(home.iterdir()) == []
    assert list(short_dir.iterdir()) == []
    assert not [process for process in left if process.exists()]


class Cluster(NamedTuple):
    """A Ray cluster of two nodes on this machine, and the home folder of all that has to do with it."""

    ray: Any
    second: Any
    home: Path


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, short_dir: Path) -> Iterator[Cluster]:
    """One processor on each node; the second has a resource of its own."""
    import ray.cluster_utils

    home = tmp_path_factory.mktemp("home")
    (short_dir / "ray").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("RAY_AUTH_MODE", "disabled")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", str(short_dir))
        found = ray.cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        second = found.add_node(num_cpus=1)
        patch.setenv("RAY_ADDRESS", found.address)
        yield Cluster(found, second, home)
        found.shutdown()


@pytest.mark.needs("ray")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="folders that others do not see are named in /proc")
def test_a_ray_cluster_without_a_shared_folder_returns_the_fits(
    one_arm_dir: Path, prepared: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run folder is named by an open file of this process, so that no other process finds it."""
    from nephrograde.fit import placed

    returned = []
    write = placed.write_returned

    def noted(files: placed.Files, folder: FoldFolder) -> None:
        returned.append(len(files))
        write(files, folder)

    monkeypatch.setattr(placed, "write_returned", noted)
    handle = os.open(prepared.parent, os.O_RDONLY)
    try:
        study = load_inputs(one_arm_dir / "cohort" / "study.toml")
        fit_study(study, Path(f"/proc/self/fd/{handle}/{prepared.name}"), engine=parse_engine("ray"))
    finally:
        os.close(handle)
    assert returned == [5, 5]  # files of a fold
    check_scores(one_arm_dir, prepared)
    assert list(cluster.home.iterdir()) == []


@pytest.mark.needs("ray")
def test_a_wrong_address_is_refused_before_ray_is_asked(
    one_arm_dir: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch, nephrograde: Callable[..., tuple[int, str, str]]
) -> None:
    """Ray gives up after 30 s on a host, and after minutes on a server that never answers."""
    words = ("fit", one_arm_dir / "cohort" / "study.toml", "--out", prepared)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setattr("ray.init", lambda **given: pytest.fail(f"Ray is asked for {given['address']}"))
    for variable, on in (("", f"ray://{address}"), (address, "ray")):
        monkeypatch.setenv("RAY_ADDRESS", variable)
        code, _, printed = nephrograde(*words, "--on", on)
        assert (code, "nothing answers there" in " ".join(printed.split())) == (2, True), printed


@pytest.mark.needs("ray")
def test_units_of_a_node_that_is_killed_are_done_on_the_other(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of two units that wait, one is on each node; that of the node that goes is begun again. Nothing is printed."""
    units = [Waiting(tmp_path / "a"), Waiting(tmp_path / "b")]

    def kill_both(_process: int) -> None:
        while not all(unit.processes() for unit in units):
            time.sleep(0.05)
        cluster.ray.remove_node(cluster.second, allow_graceful=False)
        time.sleep(0.5)
        for unit in units:  # that of the other node is killed itself, as by a lack of memory
            with suppress(ProcessLookupError):
                os.kill(unit.processes()[0], signal.SIGKILL)

    when_begun(units[0], kill_both)
    found: dict[int, object] = {}
    place_units(
        [Unit(unit.notes.name, unit) for unit in units],
        parse_engine("ray"),
        cpus=1,
        logs_dir=tmp_path / "logs",
        finished=lambda number, done: found.update({number: done.value}),
    )
    assert found == {0: "done", 1: "done"}
    assert [len(unit.processes()) for unit in units] == [2, 2]
    assert capfd.readouterr().out == ""


@pytest.mark.needs("ray")
def test_a_unit_whose_process_ends_each_time_is_named_in_words_of_this_program() -> None:
    """Ray itself would name logs that go with it."""
    import ray.exceptions

    def get(_: object) -> None:
        raise ray.exceptions.WorkerCrashedError

    double = SimpleNamespace(get=get, exceptions=ray.exceptions)
    assert "its process ended unexpectedly, 4 times" in _came_of(double, None).problem


def test_what_comes_back_damaged_does_not_stop_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_turn(units: list[Unit], _engine: object, *, collect: Callable[[int, Done], None], **_: object) -> None:
        for number, unit in enumerate(units):
            collect(number, attempt(unit.call))

    monkeypatch.setattr("nephrograde.placing.slurm.place_on_slurm", in_turn)
    found = []

    def finished(number: int, done: Done) -> None:
        if number == 0:
            raise RunError("its files are damaged")
        found.append(done.value)

    with pytest.raises(FitError, match=r"1 of 3 units failed:\n  0: its files are damaged"):
        place_units(
            [Unit(str(number), partial(pow, number, 2)) for number in range(3)],
            parse_engine("slurm"),
            cpus=1,
            logs_dir=tmp_path / "logs",
            finished=finished,
        )
    assert found == [1, 4]


def test_more_than_there_is_is_refused_by_ray() -> None:
    there = {"CPU": 2.0, "memory": 16e9}
    with pytest.raises(InputError, match=r"each unit asks for 64 of memory_gb, and there are 16 in all.*memory_gb=N"):
        _options(there, parse_engine("ray", ["memory_gb=64"]), cpus=1)
    assert _options(there, parse_engine("ray", ["memory_gb=1e-300"]), cpus=1)["memory"] == 1.0


def test_what_is_missing_or_cannot_be_used_is_refused(
    one_arm_dir: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch, nephrograde: Callable[..., tuple[int, str, str]]
) -> None:
    words = ("fit", one_arm_dir / "cohort" / "study.toml", "--out", prepared)
    monkeypatch.setenv("PATH", "")
    for given, told in {
        ("--on", "slurm"): "sbatch and srun are not on this machine",
        ("--on", "pbs"): "'pbs' is not known. Give local, slurm, ray",
        ("--on", "ray", "--with", "gpus=inf"): "'inf' cannot be used for gpus. Give 0, a fraction",
        ("--on", "ray", "--with", "gpus=1.5"): "'1.5' cannot be used for gpus. Give 0, a fraction",
        ("--on", "ray", "--with", "gpus=1e-9"): "'1e-9' cannot be used for gpus. Give 0, a fraction",
        ("--on", "slurm", "--with", "cluster=local", "--with", "cpus=100000"): "asks for 100000 of cpus, and there are",
        ("--with", "gpus=1"): "is not an option of local. Name an engine with --on",
        ("--on", "slurm", "--with", "queue=x"): "is not an option of slurm. The options of slurm are minutes",
        ("--on", "slurm", "--only", "weak-1-cmp/fold-0"): "Leave one of them out",
        ("--on", "slurm", "--set", "fit.nodes=2"): "--on slurm cannot start",
        ("--on", "slurm", "--set", "fit.devices=2"): "--on slurm cannot start",
    }.items():
        code, _, printed = nephrograde(*words, *given)
        assert (code, told in " ".join(printed.split())) == (2, True), printed
    for package, on in (("submitit", "slurm"), ("ray", "ray")):
        monkeypatch.setitem(sys.modules, package, None)
        code, _, printed = nephrograde(*words, "--on", on)
        assert code == 2
        assert f'pip install "nephrograde[{on}]"' in " ".join(printed.split())
