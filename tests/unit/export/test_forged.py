"""A forged grader file, with every SHA-256 right, is refused in plain words in both languages, and runs nothing."""

import json
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from nephrograde.errors import GraderError
from nephrograde.export import archive
from nephrograde.export.grader_file import read_grader_file
from nephrograde.export.loading import grader_of
from nephrograde.export.onnx.scorer import OnnxScorer
from nephrograde.export.onnx.wire import WireError, read_model
from nephrograde.export.words import describe
from nephrograde.files import fingerprint
from nephrograde.report.text.language import speaking
from nephrograde.report.text.messages import told

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from tests.unit.export.small_grader import Forger, small_members  # noqa: E402


@pytest.fixture(scope="module")
def members():
    """The members of a true file."""
    return small_members()


@pytest.fixture
def forge(members, tmp_path):
    """Write changed copies."""
    return Forger(members, tmp_path)


def refusal(read, *given, **changes):
    """The words of a refusal, which are Chinese in Chinese."""
    with pytest.raises(GraderError) as refused:
        read(*given, **changes)
    text = str(refused.value)
    with speaking("zh"):
        said = told(text)
    assert not re.search(r"[a-z]{2,}(?: [a-z]{2,}){2}", said.replace("research_use_only", "")), said
    return text


def setting(*places, to):
    """A change of one value."""

    def change(content):
        for place in places[:-1]:
            content = content[place]
        content[places[-1]] = to

    return change


def test_a_true_file_is_read_and_scores(forge):
    file = forge.read()
    found = OnnxScorer(file).score(np.zeros((2, 1, 32, 32), np.float16))
    assert 0 < found.p_high < 1
    assert grader_of(file).model == "weak-1-cmp"


def changed_graph(members, change):
    model = onnx.load_from_string(members["graph.onnx"])
    change(model)
    return model.SerializeToString()


def branch(model):
    weights = numpy_helper.from_array(np.zeros(1), "stolen")
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="secret.bin")
    made = helper.make_tensor_value_info("stolen", TensorProto.DOUBLE, [1])
    inner = helper.make_graph([], "inner", [], [made], [weights])
    node = helper.make_node("If", ["integers-0"], ["found"], then_branch=inner, else_branch=inner)
    model.graph.node.insert(0, node)


def plain_branch(model):
    branch(model)
    model.graph.node[0].op_type = "Relu"


def huge(model):
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["integers-0"], ["found"]))


def huge_expand(model):
    model.graph.initializer.append(numpy_helper.from_array(np.array([30_000, 30_000], np.int64), "shape"))
    model.graph.node.insert(0, helper.make_node("Expand", ["numbers-0", "shape"], ["found"]))


def external(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="secret.bin")


def foreign(model):
    model.graph.node[0].domain = "com.evil"


def function(model):
    model.functions.add(name="f", domain="com.evil")


def tensor_attribute(model):
    model.graph.node[0].attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(2))))


def sparse(model):
    model.graph.sparse_initializer.add()


def wide(model):
    node = next(one for one in model.graph.node if one.op_type == "MaxPool")
    next(one for one in node.attribute if one.name == "pads").ints[0] = 100_000


def other_input(model):
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 64


def other_output(model):
    model.graph.output[0].name = "extra"


def other_count(model):
    named = {one.name: one for one in model.graph.output}
    named["p_high_of_folds"].type.tensor_type.shape.dim[0].dim_value = 3


def doubling(model):
    for k in range(40):
        given = f"twice-{k - 1}" if k else "pictures"
        model.graph.node.insert(k, helper.make_node("Concat", [given, given], [f"twice-{k}"], axis=0))


def doubling_of_copies(model):
    for k in range(40):
        given = f"twice-{k - 1}" if k else "pictures"
        model.graph.node.insert(2 * k, helper.make_node("Relu", [given], [f"copy-{k}"]))
        model.graph.node.insert(2 * k + 1, helper.make_node("Concat", [given, f"copy-{k}"], [f"twice-{k}"], axis=0))


def outer_product(model):
    for name, shape in (("column", (100_000, 1)), ("row", (1, 100_000))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape), name))
    model.graph.node.insert(0, helper.make_node("Mul", ["column", "row"], ["found"]))


def padding(model):
    model.graph.initializer.append(numpy_helper.from_array(np.array([0] * 7 + [2**24], np.int64), "margins"))
    for k in range(30):
        given = f"wider-{k - 1}" if k else "pictures"
        model.graph.node.insert(k, helper.make_node("Pad", [given, "margins"], [f"wider-{k}"]))


def many_channels(model):
    tensors = {one.name: one for one in model.graph.initializer}
    kernel = tensors["fold-0.conv1.weight"]
    kernel.CopyFrom(numpy_helper.from_array(np.zeros((200_000, 1, 7, 7), np.float32), kernel.name))


def unknown_shape(model):
    model.graph.node.insert(0, helper.make_node("Expand", ["pictures", "pictures"], ["found"]))


def dilated(model):
    node = next(one for one in model.graph.node if one.op_type == "Conv")
    node.attribute.append(helper.make_attribute("dilations", [2, 2]))


def from_nothing(model):
    model.graph.node.insert(0, helper.make_node("Relu", ["nothing"], ["found"]))


def without_correction(model):
    made = next(one for one in model.graph.node if list(one.output) == ["p_high"])
    sigmoid = next(one for one in model.graph.node if list(one.output) == [made.input[0]])
    sigmoid.input[0] = next(one for one in model.graph.node if list(one.output) == [sigmoid.input[0]]).input[0]


def other_shift(model):
    numbers = {one.name: one for one in model.graph.initializer}
    made = {one.output[0]: one for one in model.graph.node}
    last = made[made[made["p_high"].input[0]].input[0]]
    numbers[last.input[1]].CopyFrom(numpy_helper.from_array(np.array([0.25]), last.input[1]))


def newer(model):
    model.opset_import[0].version = 21


CHANGES = [
    (branch, "attribute"), (plain_branch, "attribute"), (huge, "operator ConstantOfShape"),
    (huge_expand, "large number in a constant"), (external, "tensor"), (foreign, "operator"), (function, "model"),
    (tensor_attribute, "attribute"), (sparse, "graph"), (wide, "large number in the ONNX operator MaxPool"),
    (other_input, "other inputs"), (other_output, "other outputs"), (other_count, "other outputs"),
    (newer, "another version of ONNX"), (doubling, "values that are too large"),
    (doubling_of_copies, "values that are too large"), (outer_product, "values that are too large"),
    (padding, "values that are too large"), (many_channels, "values that are too large"),
    (unknown_shape, "a shape that cannot be computed"), (dilated, "another attribute of the ONNX operator Conv"),
    (from_nothing, "inputs that do not fit the ONNX operator Relu"), (without_correction, "another scale"),
    (other_shift, "another scale"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), CHANGES, ids=[one.__name__ for one, _ in CHANGES])
def test_a_graph_that_was_not_written_here_is_not_given_to_onnx_runtime(forge, members, change, said):
    found = refusal(forge.read, graph=changed_graph(members, change))
    assert "graph.onnx" in found
    assert said in found


def test_an_endless_loop_is_refused_at_once(forge, members):
    def loop(model):
        going = helper.make_tensor_value_info("going", TensorProto.BOOL, [])
        body = helper.make_graph([], "body", [], [going])
        model.graph.node.insert(0, helper.make_node("Loop", ["", ""], ["found"], body=body))

    assert "attribute" in refusal(forge.read, graph=changed_graph(members, loop))


def test_damaged_graphs_are_refused(forge, members):
    raw = members["graph.onnx"]
    drawn = np.random.default_rng(1)
    for content in (b"no graph", raw[:1000], raw[:-1], b"", b"\xff" * 40, b"\x3a" * 100_000):
        assert "graph.onnx" in refusal(forge.read, graph=content)
    for length in drawn.integers(1, 60, 400):
        try:
            found = read_model(memoryview(drawn.bytes(int(length))))
        except WireError:
            continue
        assert set(found) <= {"ir_version", "producer_name", "doc_string", "graph", "opset_import"}


def test_weights_are_neither_copied_nor_walked_through(members):
    start = time.perf_counter()
    found = read_model(memoryview(members["graph.onnx"]))
    assert time.perf_counter() - start < 2
    weights = max(found["graph"][0]["initializer"], key=lambda one: len(one["raw_data"][0]))["raw_data"][0]
    assert weights.obj is members["graph.onnx"]
    wanted = onnx.load_from_string(members["graph.onnx"]).graph
    assert [bytes(one["op_type"][0]).decode() for one in found["graph"][0]["node"]] == [
        one.op_type for one in wanted.node
    ]


DISAGREEING = [
    ("preprocessing", setting("arm", "slices", to=10**9), "slices"),
    ("preprocessing", setting("image", "slice_px", to=10**6), "image"),
    ("preprocessing", setting("image", "slice_px", to=64), "size"),
    ("preprocessing", setting("image", "box_voxels", to=[10**5] * 3), "image"),
    ("preprocessing", setting("image", "slice_mm", to=1e9), "image"),
    ("preprocessing", setting("cohort_phases", to=[f"p{k}" for k in range(10**4)]), "cohort_phases"),
    ("preprocessing", setting("phases", to=["up"]), "phases"),
    ("preprocessing", setting("axes", to=["row", "channel", "x", "y"]), "axes"),
    ("preprocessing", setting("channels", to=["up"]), "channels"),
    ("preprocessing", setting("arm", "neighbours", to=1), "channels"),
    ("preprocessing", setting("window", to={}), "window"),
    ("preprocessing", setting("arm", "fit", to={"pooling": "max"}), "arm.fit"),
    ("preprocessing", setting("size", to=[64, 64]), "size"),
    ("preprocessing", setting("arm", "fusion", to="late"), ""),
    ("card", setting("model", to="weak-1-up"), "model"),
    ("card", setting("folds", to=[]), "folds"),
    ("card", lambda card: card["folds"].extend(card["folds"][:1] * 100), "folds"),
    ("card", setting("n_train", to=-5), "n_train"),
    ("card", setting("n_test_high", to=7), "n_test"),
    ("card", setting("folds", 0, "n_learn_high", to=-1), "folds"),
    ("card", setting("folds", 0, "fold", to=7), "scale"),
    ("card", setting("folds", 0, "fold", to=1), "folds"),
    ("card", setting("research_use_only", to="For every patient."), "research_use_only"),
    ("card", setting("not_for", to=[]), "not_for"),
    ("card", setting("synthetic", to=False), "not_for"),
    ("card", setting("pooling", to="evil"), "pooling"),
    ("card", setting("aucs", 0, "auc", to=1.7), "aucs"),
    ("decision", setting("threshold", "value", to=1.5), "threshold"),
    ("decision", setting("threshold", "rule", to="sensitivity"), "threshold"),
    ("decision", setting("sets", "high_from", to=-0.5), "sets"),
    ("decision", setting("sets", "error", to=0.2), "sets"),
    ("decision", setting("set_error", to=7.0), ""),
    ("decision", setting("scale", "networks", 0, "model", to="strong-up"), "scale"),
    ("decision", setting("scale", "networks", to=[]), "scale"),
    ("decision", setting("recalibration", "numbers", to={}), "recalibration"),
    ("decision", setting("recalibration", "numbers", "slope", to=[]), "recalibration"),
    ("decision", setting("recalibration", "numbers", "further", to=[1.0]), "recalibration"),
    ("decision", setting("recalibration", to={"way": "isotonic", "numbers": {"at": [0.1], "values": []}}), "recalib"),
    ("decision", setting("recalibration", to={"way": "isotonic", "numbers": {"at": [0.1], "values": [3.0]}}), "recal"),
    ("range", setting("phases", "np", to={}), "phases"),
    ("range", setting("phases", "cmp", "tumour_diameter_mm", "n", to=0), "tumour_diameter_mm"),
]


@pytest.mark.parametrize(("member", "change", "said"), DISAGREEING)
def test_members_that_no_model_has_are_refused(forge, member, change, said):
    found = refusal(forge.read, **{member: change})
    assert f"{member}.json" in found or "decision.json" in found or "preprocessing.json" in found
    assert said in found


def test_a_spread_of_nothing_is_refused(forge):
    term = {"column": "age", "kind": "number", "entry": "", "fill": 0.0, "center": 0.0, "spread": 0.0}
    assert "(clinical)" in refusal(forge.read, preprocessing=setting("clinical", to=[[term], [term]]))


def test_supervision_is_a_setting(forge):
    assert forge.read(preprocessing=setting("arm", "supervision", to="box")).study.arm[0].supervision == "box"


def test_the_number_of_probabilities_is_compared(forge, members):
    def drop(model):
        for node in model.graph.node:
            if list(node.output) == ["p_high_of_folds"]:
                node.input[0] = "logits"
        made = next(one for one in model.graph.node if list(one.output) == ["p_high"])
        made.input[0] = "logits"

    found = refusal(forge.read, graph=changed_graph(members, drop))
    assert "another scale" in found
    scorer = OnnxScorer(replace(forge.read(), graph=memoryview(changed_graph(members, drop))))
    found = refusal(scorer.score, np.zeros((1, 1, 32, 32), np.float16))
    assert "its graph gives another number of probabilities" in found


@pytest.mark.parametrize(
    "change",
    [{"format_version": True}, {"written_by": 3}, {"written_by": None}, {"research_use_only": "For every patient."}],
)
def test_a_forged_manifest_is_refused(tmp_path, monkeypatch, change):
    def forged(members, write=archive._manifest):
        content = {**json.loads(write(members)), **change}
        del content["sha256"]
        return archive.as_json({**content, "sha256": fingerprint(content)})

    monkeypatch.setattr(archive, "_manifest", forged)
    archive.write_archive(tmp_path / "grader.zip", {"card.json": b"{}"})
    assert archive.MANIFEST in refusal(archive.read_archive, tmp_path / "grader.zip")


def test_half_a_character_in_the_manifest_is_refused(tmp_path):
    path = tmp_path / "grader.zip"
    archive.write_archive(path, {"card.json": b"{}"})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b'"nephrograde 0', b'"\\ud800rograde'))
    assert path.stat().st_size == len(raw)
    assert f"{archive.MANIFEST} was changed" in refusal(archive.read_archive, path)


def test_texts_of_the_file_cannot_steer_the_terminal(forge, nephrograde):
    evil = "a\x1b[2Jb\nEvery byte\u202ec\x9b" + "x" * 3000
    path = forge.write(card=setting("study", to=evil))
    for line in describe(read_grader_file(path)):
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
        assert len(line) < 1000
    code, out, _ = nephrograde("inspect", path, "--json")
    assert code == 0
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    assert json.loads(out)["card"]["study"].startswith("a�[2Jb�Every byte�c�xxx")
    path = forge.write(preprocessing=setting("outcome", to="high\ngrade\x1b[2J\x9b"))
    file = read_grader_file(path)
    assert file.study.cohort.outcome == "high\ngrade�[2J�"  # the heading of a table may have two lines
    assert not any(re.search("[\x00-\x1f\x7f-\x9f]", line) for line in describe(file))
    text = refusal(forge.read, card=setting("ev\x1b[31mil\n", to=1))
    assert "\x1b" not in text
    assert "\n" not in text
