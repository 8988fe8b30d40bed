"""A study on each engine: the scores of a local run, also where a machine of the cluster is lost.

The engines are this machine's own processes, job arrays (submitit's local executor), and a Ray cluster of two nodes on
this machine, one of which is killed while two fits are in progress. Each begins with prepared scans. The exit
code is 1 if scores differ, or something is left in the home folder, which is an empty one here.

Run: python -m bench.engines
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.commands import cpu_s
from bench.tiny_run import STUDY

from nephrograde.evaluation.evaluation import evaluate_scores
from nephrograde.evaluation.scores.scores import Score, Scores
from nephrograde.pipeline import evaluate_study, fit_study, load_inputs, prepare_study
from nephrograde.placing.engine import LOCAL, parse_engine
from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort
from nephrograde.study import EvaluateSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from nephrograde.placing.engine import Engine
    from nephrograde.study import Study

REPEATS = "repeats = 3\n"
EPOCHS = "fit.epochs=8"
COMPARED = ("scores/scores.csv", "scores/repeats.csv", "statistics/estimates.csv")


def run_on(engine: Engine, study: Study, prepared: Path, run_dir: Path) -> dict[str, bytes]:
    """Fit and evaluate on prepared scans, print what it took, and return what was found."""
    shutil.copytree(prepared, run_dir)
    began, used = time.perf_counter(), cpu_s()
    fit_study(study, run_dir, engine=engine)
    took, used = time.perf_counter() - began, cpu_s() - used
    evaluate_study(study, run_dir)
    n_fits = len(list(run_dir.rglob("card.json")))
    print(f"{run_dir.name:24} {n_fits} fits in {took:5.1f} s, of which {used:5.1f} s of processor counted here")
    return {name: (run_dir / name).read_bytes() for name in COMPARED}


def on_cluster(act: Callable[[], dict[str, bytes]], run_dir: Path) -> dict[str, bytes]:
    """Run on a cluster of two nodes, and kill one of them as soon as two fits have begun."""
    import ray.cluster_utils

    cluster: Any = ray.cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    second = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address

    def kill() -> None:
        while len(list(run_dir.rglob(".fold-*.lock"))) < 2:
            time.sleep(0.02)
        cluster.remove_node(second, allow_graceful=False)
        print("                         (a node was killed while two fits were in progress)")

    threading.Thread(target=kill, daemon=True).start()
    try:
        return act()
    finally:
        del os.environ["RAY_ADDRESS"]
        cluster.shutdown()


def cost_of_bootstrap() -> None:
    """Print what evaluating six models costs, which is not placed."""
    scores = tuple(
        Score(f"P{k:03}", f"m{model}", "test", None, bool(k % 2), ((k * (model + 7)) % 97) / 97)
        for model in range(6)
        for k in range(300)
    )
    took = {}
    for bootstraps in (100, 2000):
        began = time.process_time()
        evaluate_scores(Scores(scores), EvaluateSettings(bootstraps=bootstraps))
        took[bootstraps] = time.process_time() - began
    print(f"Six models of 300 patients are evaluated in {took[2000]:.2f} s of processor with 2,000 bootstraps,")
    print(f"and in {took[100]:.2f} s with 100.")


def main() -> int:
    """Run a study on each engine."""
    with tempfile.TemporaryDirectory(prefix="ng", dir="/tmp", ignore_cleanup_errors=True) as folder:
        top = Path(folder)
        home = top / "home"
        (top / "ray").mkdir()
        home.mkdir()
        os.environ |= {"HOME": str(home), "RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0", "MPLCONFIGDIR": folder}
        write_cohort(top / "cohort", PhantomSettings(patients=24, phases=("cmp",), matrix_px=96))
        study_path = top / "cohort" / "study.toml"
        text = STUDY.format(name="engines", folds=3, pixels=64).replace("[fit]\n", f"[fit]\n{REPEATS}")
        study_path.write_text(text, encoding="utf-8")
        study = load_inputs(study_path, (EPOCHS,))
        prepared = top / "prepared"
        prepare_study(study, prepared)
        found = {"local": run_on(LOCAL, study, prepared, top / "local")}
        arrays = parse_engine("slurm", ["cluster=local"])
        found["arrays"] = run_on(arrays, study, prepared, top / "arrays")
        os.environ["RAY_AUTH_MODE"] = "disabled"  # the nodes of the cluster below are reached without a token
        lossy_dir = top / "ray, a node killed"
        ray_engine = parse_engine("ray")
        found["cluster"] = on_cluster(lambda: run_on(ray_engine, study, prepared, lossy_dir), lossy_dir)
        same = all(one == found["local"] for one in found.values())
        left = [path.relative_to(home) for path in home.rglob("*")]
        print(f"Scores and statistics of all engines are {'the same bytes' if same else 'DIFFERENT'}.")
        print(f"Left in the home folder: {', '.join(map(str, left)) or 'nothing'}.")
    cost_of_bootstrap()
    return 0 if same and not left else 1


if __name__ == "__main__":
    sys.exit(main())
