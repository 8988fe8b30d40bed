"""From the folds' predictions to one score a patient and model."""

from dataclasses import asdict

import numpy as np
import pytest
from tests.unit.model.test_card import CARD

from nephrograde.errors import RunError
from nephrograde.evaluation.scores.collect import collect_scores, write_members
from nephrograde.evaluation.scores.scale import ScaleRow
from nephrograde.evaluation.tables import read_table, write_table
from nephrograde.files import read_rows, write_json, write_rows
from nephrograde.run.fold_folder import FoldFolder


def write_fold(folder, model, fold, rows, **changes):
    fold_folder = FoldFolder(folder / model / f"fold-{fold}")
    columns = ("patient_id", "split", "is_high", "p_high")
    write_rows(fold_folder.predictions_path, columns, [dict(zip(columns, row, strict=True)) for row in rows])
    write_json(fold_folder.card_path, asdict(CARD) | {"n_learn": 10, "n_learn_high": 2} | changes)
    return fold_folder


def write_model(folder, model, folds=3, n=12, **changes):
    """Folds of n patients and four test patients, whose scores depend on their truth."""
    made = []
    for fold in range(folds):
        draw = np.random.default_rng(fold)
        held_out = [(f"{fold}-{k}", "oof", k % 2, 0.3 + 0.3 * (k % 2) + 0.2 * draw.random()) for k in range(n)]
        tested = [(f"T{k}", "test", k % 2, 0.3 + 0.4 * draw.random()) for k in range(4)]
        made.append(write_fold(folder, model, fold, held_out + tested, **changes))
    return made


def test_rows_members_and_scale_belong_together(tmp_path):
    scores, members, scales = collect_scores(write_model(tmp_path, "weak-1-cmp") + write_model(tmp_path, "strong-cmp"))
    assert [(s.networks[0].model, len(s.rows)) for s in scales] == [("weak-1-cmp", 4), ("strong-cmp", 4)]
    write_members(members, tmp_path / "members.csv")
    write_table([row for scale in scales for row in scale.rows], ScaleRow, tmp_path / "scale.csv")
    assert read_table(ScaleRow, tmp_path / "scale.csv") == tuple(row for scale in scales for row in scale.rows)
    given: dict[tuple[str, str, str], list[float]] = {}
    for member in read_rows(tmp_path / "members.csv"):
        key = member["model"], member["split"], member["patient_id"]
        given.setdefault(key, []).append(float(member["p_high"]))
    assert {(row.model, row.split, row.patient_id) for row in scores} == given.keys()
    of_model = {scale.networks[0].model: scale for scale in scales}
    for row in scores:
        raw, scale = given[row.model, row.split, row.patient_id], of_model[row.model]
        if row.split == "test":
            assert row.p_high == scale.of_ensemble(raw)
            assert row.fold is None
        else:
            assert row.fold is not None
            assert [row.p_high] == [scale.of_held_out(one, row.fold) for one in raw]


def test_networks_of_balanced_batches_are_brought_to_the_prevalence_of_their_patients(tmp_path):
    for is_balanced, shift in ((True, np.log(0.25)), (False, 0.0)):
        folds = write_model(tmp_path / str(is_balanced), "weak-1-cmp", is_balanced=is_balanced)
        (scale,) = collect_scores(folds).scales
        assert [row.prevalence for row in scale.networks] == [0.2] * 3
        assert [row.prior_shift for row in scale.networks] == pytest.approx([shift] * 3)


def test_only_test_rows_are_averaged_without_more(tmp_path):
    folds = [write_fold(tmp_path, "strong-cmp", 0, [("T", "test", 0, 0.8)], is_balanced=False)]
    (row,), (member,), _ = collect_scores(folds)
    assert (row.patient_id, row.split, row.fold, row.is_high) == ("T", "test", None, False)
    assert row.p_high == pytest.approx(0.8)
    assert (member.p_high, member.fold) == (0.8, 0)


def test_a_card_without_the_prevalence_is_that_of_another_version(tmp_path):
    (fold,) = write_model(tmp_path, "weak-1-cmp", folds=1)
    content = {name: value for name, value in asdict(CARD).items() if name != "n_learn_high"}
    write_json(fold.card_path, content)
    with pytest.raises(RunError, match=r"another version of nephrograde \(n_learn_high\)"):
        collect_scores([fold])


def test_networks_with_different_test_patients_are_refused(tmp_path):
    folds = [
        write_fold(tmp_path, "weak-1-cmp", fold, [(f"{fold}", "oof", 1, 0.9), (f"T{fold}", "test", 0, 0.2)])
        for fold in range(2)
    ]
    with pytest.raises(RunError, match="same test patients"):
        collect_scores(folds)
