"""The self-test: it passes here, and fails where a result is another one."""

import pytest

from nephrograde.doctor import trials
from nephrograde.doctor.child import outcome
from nephrograde.doctor.trials import TRIALS, TrialError, doubling_graph


@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize("name", ["scan", "evaluation", "graph", "network"])
def test_the_self_test_passes_here(name):
    found = outcome(f"trial:{name}")
    assert found["works"], found["said"]
    assert str(found["said"]).endswith(".")


def test_gpu_and_fonts_are_named_or_absent():
    for name in ("gpu", "fonts"):
        found = outcome(f"trial:{name}")
        assert found["works"]
        assert isinstance(found["said"], str)


def test_a_scan_with_other_values_is_a_failure(monkeypatch):
    from nephrograde.volume import read
    from nephrograde.volume.volume import make_volume

    def read_another(path):
        import numpy as np

        return make_volume(np.zeros((8, 7, 6), np.int16), spacing_mm=(0.8, 0.9, 2.5))

    monkeypatch.setattr(read, "read_volume", read_another)
    with pytest.raises(TrialError, match="other values"):
        trials.read_a_scan()


def test_another_auc_is_a_failure(monkeypatch):
    from nephrograde.evaluation import frames

    true = frames.evaluate_frame
    monkeypatch.setattr(
        frames, "evaluate_frame", lambda scores, settings: true(scores.assign(is_high=[0, 0, 1, 0, 1, 1]), settings)
    )
    with pytest.raises(TrialError, match="instead of 0"):
        trials.evaluate_scores()


@pytest.mark.needs("onnxruntime")
def test_another_graph_is_a_failure(monkeypatch):
    monkeypatch.setattr(trials, "doubling_graph", lambda: doubling_graph().replace(b"Add", b"Mul"))
    with pytest.raises(TrialError, match="doubled"):
        TRIALS["graph"]()


@pytest.mark.needs("onnx")
def test_the_graph_is_what_onnx_accepts():
    import onnx

    onnx.checker.check_model(onnx.load_from_string(doubling_graph()), full_check=True)


def test_a_step_says_in_one_line_how_it_failed(monkeypatch):
    monkeypatch.setitem(TRIALS, "scan", lambda: (_ for _ in ()).throw(KeyError()))
    assert outcome("trial:scan") == {"works": False, "said": "KeyError"}
