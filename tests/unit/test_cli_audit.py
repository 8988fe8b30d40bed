"""``nephrograde audit``: options, tables, JSON and exit codes."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

WEAK = ("--name", "weak", "--accuracy", "0.859", "--sensitivity", "0.857", "--specificity", "0.860", "--auc", "0.907")
DOCS = Path(__file__).parents[2] / "docs"
STRONG = "name=strong,accuracy=0.848,sensitivity=0.854,specificity=0.843,auc=0.922"


@pytest.fixture
def audit(nephrograde):
    return lambda *words: nephrograde("audit", *words)


def test_one_model(audit):
    code, out, err = audit("--n", 90, *WEAK)
    assert (code, err) == (0, "")
    assert out.startswith("weak: 90 patients, accuracy 0.859, sensitivity 0.857, specificity 0.860, AUC 0.907\n")
    assert "No table of whole numbers prints these values, however they are rounded." in out
    assert "92 (positives 35, 42, 49)" in out
    assert "Research use only" in out


def test_two_models(audit):
    code, out, _ = audit("--n", 92, *WEAK, "--against", STRONG)
    assert code == 0
    assert "42 positive, 50 negative: tp 36, fn 6, tn 43, fp 7 (half up, half to even)" in out
    assert "Nearest: 42 (weak), 41 (strong); 1 patient apart." in out
    assert "correlation 0.5: -0.076 to 0.046; detectable 0.087" in out


def test_json(audit):
    code, out, _ = audit("--n", 92, *WEAK, "--against", STRONG, "--json")
    assert code == 0
    (group,) = json.loads(out)["groups"]
    assert [len(model["tables"]) for model in group["models"]] == [3, 1]
    assert group["models"][0]["printed"]["specificity"] == "0.860"
    assert group["shared_test_set"]["common_positives"]["half_up"] == []
    assert group["auc_differences"][0]["differences"][0]["correlation"] == 0.0


def test_a_table_of_models(audit, tmp_path):
    path = tmp_path / "已发表.csv"
    path.write_text(
        "name,group,n,accuracy,sensitivity,specificity,positives\n"
        "弱监督,皮髓质期,92,0.859,0.857,0.860,\n强监督,皮髓质期,92,0.848,0.854,0.843,41\n另一,,20,50%,,,10\n",
        encoding="gb18030",
    )
    code, out, _ = audit(path)
    assert code == 0
    assert "Group 皮髓质期\n弱监督: 92 patients" in out
    assert "42 (弱监督), 41 (强监督)" in out
    assert "另一: 20 patients, 10 positive, accuracy 50%" in out


def test_all_mistakes_end_with_code_2(audit):
    code, out, err = audit("--n", 0, "--accuracy", "85.9", "--auc", "high")
    assert (code, out) == (2, "")
    assert err.startswith("nephrograde: 3 problems:")
    code, _, err = audit()
    assert code == 2
    assert "options: nothing is printed" in err


@pytest.mark.slow
def test_the_audit_imports_nothing_heavy():
    heavy = "torch monai SimpleITK matplotlib sklearn statsmodels pandas"
    code = (
        "import sys; sys.argv = 'nephrograde audit --n 90 --accuracy 0.859 --auc 0.9'.split()\n"
        "from nephrograde.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in '{heavy}'.split() if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "[]"


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [
        "explanation/audit-of-the-paper.md",
        "reference/audit.md",
        "how-to/check-printed-numbers.md",
        "zh/how-to/check-printed-numbers.md",
    ],
)
def test_the_documentation_shows_what_the_command_prints(audit, page, tmp_path, monkeypatch):
    text = (DOCS / page).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    for name, table in re.findall(r"`([\w-]+\.csv)`:\n\n```csv\n(.*?)```", text, re.DOTALL):
        Path(name).write_text(table, encoding="utf-8")
    blocks = re.findall(r"```console\n\$ nephrograde audit (.*?[^\\])\n(.*?)```", text, re.DOTALL)
    assert blocks
    for command, shown in blocks:
        _, out, err = audit(*shlex.split(command.replace("\\\n", " ")))
        assert out + err == shown


@pytest.mark.parametrize(
    "words",
    [
        ("--n", 92, *WEAK, "--against", STRONG, "--p", "0.62"),
        ("--n", 90, *WEAK, "--against", f"{STRONG},p=<0.001"),
        ("--n", "50-100", *WEAK, "--against", STRONG),
        ("--n", "80-84", *WEAK, "--against", "n=99,auc=0.9"),
        ("--n", 90, "--mean-of", 10, "--ppv", "0.8", *WEAK, "--against", STRONG),
        ("--n", 92, "--folds", 3, *WEAK),
        ("--n", 90, "--accuracy", "0.9", "--sensitivity", "0.8", "--specificity", "0.81", "--lr-plus", "9"),
        ("--n", 90, "--sensitivity", "0.8", "--specificity", "0.81", "--auc", "0.5", "--youden", "0.1"),
        ("--n", 90, "--sensitivity", "0.6", "--specificity", "0.6", "--auc", "0.99", "--dor", "2.25"),
        ("--n", 92, "--sensitivity", "0.857 (0.7-0.9)", "--accuracy", "0.859 (0.773-0.916)", "--auc", "0.9 (0.8-0.93)"),
        ("--n", 12, "--positives", ">=3", "--auc", "0.907"),
        ("--n", 40, "--positives", "<=30", "--kappa", "0.5", "--f1", "0.70", "--balanced-accuracy", "0.75"),
        ("--n", 30, "--auc", "1.000", "--accuracy", "0.5"),
        ("--n", 92, "--auc", "0.9", "--against", "auc=0.6,p=0.9", "--against", "auc=0.8,p=>0.05"),
        ("--n", 90, "--accuracy", "1.859", "--kappa", "-1.2", "--lr-plus", "x", "--positives", "many"),
        ("--n", "100-80", "--accuracy", "0.8 (high)", "--f1", "0.5 (0.4-0.6)", "--dor", "9" * 14),
        ("--accuracy", "0.8", "--p", "0.1"),
        ("--n", 9, "--positives", 9, "--auc", "0.8 (0.9-0.7)", "--ppv", "0.8 (20% CI 0.7-0.9)"),
        ("--n", 9, "--auc", "0.8", "--against", "foo,acuracy=2,p=x", "--kappa", "0.1234567891"),
        ("--n", 9000, "--mean-of", 90, "--accuracy", "0.8"),
        ("--n", 900, "--folds", 5, "--mean-of", 2, "--accuracy", "0.8"),
        ("--n", 9, "--folds", 10, "--mean-of", 0),
        ("--n", 9, "--positives", 12, "--auc", "0.9"),
        ("--n", 20000, "--auc", "0.9"),
    ],
)
def test_every_answer_and_refusal_is_chinese_with_lang_zh(audit, words):
    _, out, err = audit(*words, "--lang", "zh")
    assert re.search("[\u4e00-\u9fff]", out + err)
    english = re.compile(r"[A-Za-z][a-z’'-]+(?: [A-Za-z(][a-z’'-]+){2,}")
    assert [line for line in (out + err).splitlines() if english.search(line)] == []


def test_json_of_the_further_measures(audit):
    words = ("--n", 92, "--accuracy", "0.859", "--sensitivity", "0.857 (0.722-0.933)", "--specificity", "0.860")
    _, out, _ = audit(*words, "--auc", "0.907", "--against", STRONG, "--p", "0.62", "--json")
    (group,) = json.loads(out)["groups"]
    weak = group["models"][0]
    assert weak["intervals"]["proportions"][0]["methods"]["wilson"] == [42]
    assert weak["printed_intervals"]["sensitivity"] == {"low": "0.722", "high": "0.933", "confidence": 95}
    assert (weak["contradictions"], weak["left_out"], weak["warnings"]) == ([], [], [])
    (pair,) = group["auc_differences"]
    assert (pair["printed_p"], pair["positives_from"]) == ("= 0.62", "half")
    assert pair["implied_correlations"][0]["is_possible"]
    _, out, _ = audit("--n", "80-100", *words[2:], "--json")
    assert [fits["n"] for fits in json.loads(out)["groups"][0]["models"][0]["n_that_fit"]] == [85, 92, 99]
