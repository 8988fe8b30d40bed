"""The self-test: it passes here, and fails where a result is another one."""

import pytest

from nephrograde.doctor import trials
from nephrograde.doctor.child import outcome
from nephrograde.doctor.trials import TRIALS, TrialError, doubling_graph
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told


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
    with pytest.raises(TrialError, match="other values") as raised:
        trials.read_a_scan()
    with speaking("zh"):
        assert told(str(raised.value)) == "合成扫描读出的值或网格与写入的不同。"


def test_another_auc_is_a_failure(monkeypatch):
    from nephrograde.evaluation import frames

    true = frames.evaluate_frame
    monkeypatch.setattr(
        frames, "evaluate_frame", lambda scores, settings: true(scores.assign(is_high=[0, 0, 1, 0, 1, 1]), settings)
    )
    found = outcome("trial:evaluation")
    assert found == {
        "works": False,
        "said": "Six synthetic patients were evaluated to an AUC of 1.000 instead of 0.889.",
    }
    with speaking("zh"):
        assert told(str(found["said"])) == "六例合成患者的AUC评价为1.000，而应为0.889。"


@pytest.mark.needs("onnxruntime")
def test_another_graph_is_a_failure(monkeypatch):
    monkeypatch.setattr(trials, "doubling_graph", lambda: doubling_graph().replace(b"Add", b"Mul"))
    with pytest.raises(TrialError, match="doubled") as raised:
        TRIALS["graph"]()
    with speaking("zh"):
        assert told(str(raised.value)).startswith("ONNX Runtime把1.5和-2加倍得到")


@pytest.mark.needs("onnx")
def test_the_graph_is_what_onnx_accepts():
    import onnx

    onnx.checker.check_model(onnx.load_from_string(doubling_graph()), full_check=True)


def test_a_step_says_in_one_line_how_it_failed(monkeypatch):
    monkeypatch.setitem(TRIALS, "scan", lambda: (_ for _ in ()).throw(KeyError()))
    assert outcome("trial:scan") == {"works": False, "said": "KeyError"}
