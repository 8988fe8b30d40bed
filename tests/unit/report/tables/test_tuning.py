"""What the report says of tuned settings: counted by model, listed by fold, and nothing where nothing was tuned."""

import pytest

from nephrograde.files import read_json, write_json
from nephrograde.report.methods.citations import cited_keys
from nephrograde.report.methods.model_card import write_model_cards
from nephrograde.report.methods.paragraph import methods_paragraph
from nephrograde.report.pages.exports import manuscript_tables
from nephrograde.report.tables.tuning import tuning_table, tuning_terms
from nephrograde.report.tables.wording import what_was_run
from nephrograde.report.text.language import speaking
from nephrograde.results import Results
from nephrograde.run.folder import RunFolder
from nephrograde.run.seal import make_seal, seal_fold

CHOSEN = {
    "values": {"learning_rate": 0.002, "epochs": 30.0},
    "own": {"learning_rate": 0.001, "epochs": 60.0},
    "loss": 0.5,
    "own_loss": 0.6,
    "trials": 20,
    "pruned": 7,
    "failed": 1,
    "folds": 3,
}


@pytest.fixture
def tuned(tiny_run_copy):
    """The finished run of the tiny study, as if weak-1-cmp had been tuned."""
    run = RunFolder(tiny_run_copy)
    for fold in run.folds("weak-1-cmp"):
        card = read_json(fold.card_path)
        write_json(fold.card_path, {**card, "settings": {**card["settings"], "chosen": CHOSEN}})
        seal_fold(fold)
    seal = make_seal(run, run.folds())
    write_json(run.seal_path, {"study": seal.study, "files": dict(seal.files)})
    return Results.read(run.run_dir)


def test_trials_are_counted_and_values_listed_by_fold(tuned):
    table = tuning_table(tuned)
    assert table is not None
    assert [(row.model, row.cells[:4]) for row in table.rows] == [
        ("weak-1-cmp", ("0", "0.002", "–", "30")),
        ("weak-1-cmp", ("1", "0.002", "–", "30")),
    ]
    assert len(table.headings) == len(table.rows[0].cells)
    assert table.summary.startswith("40 trials in all (weak-1-cmp: 40); 14 of them were ended early, and 2 could")
    assert "Not tuned: strong-cmp, strong-up and weak-1-up." in table.limits
    with speaking("zh"):
        chinese = tuning_table(tuned)
        assert chinese is not None
        assert chinese.summary.startswith("共40次试验（weak-1-cmp：40）")


def test_the_table_for_a_manuscript_has_the_rows_of_the_page(tuned):
    table = next(one for one in manuscript_tables(tuned) if one.name == "tuning")
    page = tuning_table(tuned)
    assert page is not None
    assert [line.cells for line in table.lines] == [(row.model, *row.cells) for row in page.rows]
    assert len(table.headings) == len(table.lines[0].cells)
    assert table.caption.startswith("Synthetic data. Settings of training")
    assert table.notes == (page.summary, page.limits)


def test_methods_cards_and_citations_say_it(tuned):
    methods = " ".join(methods_paragraph(tuned))
    assert "For weak-1-cmp, the learning rate and the number of epochs were chosen separately for each fold" in methods
    assert "40 trials in all" in methods
    assert "Neither the patients of a held-out fold nor the test patients took part in a trial" in methods
    assert "bergstra2011" in cited_keys(tuned)
    assert len(tuning_terms(tuned)) == 1
    assert tuning_terms(tuned)[0] in what_was_run(tuned)
    write_model_cards(tuned)
    cards = {path.name: path.read_text(encoding="utf-8") for path in tuned.folder.report.model_cards_dir.iterdir()}
    assert sum("were chosen separately for each fold" in text for text in cards.values()) == 1


def test_a_run_without_tuning_says_nothing(tiny_run_dir):
    run = Results.read(tiny_run_dir)
    assert tuning_table(run) is None
    assert tuning_terms(run) == []
    assert "tuning" not in {table.name for table in manuscript_tables(run)}
    assert "inner folds" not in " ".join(methods_paragraph(run))
    assert not {"optuna", "bergstra2011"} & set(cited_keys(run))
