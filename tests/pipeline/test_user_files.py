"""Nothing of a user is removed, whatever folder is given as ``--out``, and nothing behind a symbolic link."""

import pytest

from nephrograde.sources.synthetic.phantom import PhantomSettings, write_cohort

SMALL = ("--set", "fit.epochs=1", "--set", 'cohort.phases=["up"]', "--set", "evaluate.bootstraps=100")
ONE_ARM = ("--set", 'arm=[{name="weak-1",supervision="box",slices=1}]')
PLANTED = (
    ".vimrc.tmpl",
    ".notes.txt.123.tmp.txt",
    ".thesis.tmp/draft.txt",
    "letters/.draft.tmp",
    "cohort/notes.txt",
    "volumes/notes.txt",
    "volumes/.notes.tmp.txt",
    "radiomics/notes.txt",
    "quality/cache/mine.json",
    "quality/thumbs/mine.png",
    "models/.mine.tmp",
    "models/x/fold-0/own.txt",
    "models/weak-1-up/fold-0/own.txt",
    "scores/old.csv",
    "statistics/old.csv",
    "stages/mine.json",
    "report/figures/mine.svg",
)
BEHIND_LINKS = ("fold/card.json", "fold/own.txt", "folder/.a.tmp", "folder/.nephrograde-1-a.csv")


@pytest.fixture
def run(nephrograde):
    """Run a command line in this process, which must end well."""

    def succeed(*words):
        code, _, err = nephrograde(*words)
        assert code == 0, (words, err)

    return succeed


def texts_below(folder):
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def plant(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"mine: {name}")


def is_as_planted(folder, names):
    return [name for name in names if not (folder / name).is_file() or name not in (folder / name).read_text()] == []


@pytest.fixture
def home(tmp_path):
    """A folder like a user's home: dotfiles, folders of the same names as those of a run, and symbolic links."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    plant(home, PLANTED)
    plant(elsewhere, BEHIND_LINKS)
    (home / "link").symlink_to(elsewhere / "folder")
    (home / ".link.tmp").symlink_to(elsewhere / "folder")
    (home / "volumes" / "link").symlink_to(elsewhere / "folder")
    (home / "models" / "weak-1-up" / "fold-1").symlink_to(elsewhere / "fold")
    return home


@pytest.mark.slow
def test_every_command_on_a_study_leaves_what_it_finds(run, home, tiny_study_path):
    words = (tiny_study_path, "--out", home, *SMALL, *ONE_ARM)
    for command in ("prepare", "check", "fit", "evaluate", "run", "run"):
        run(command, *words)
        assert is_as_planted(home, PLANTED), command
        assert is_as_planted(home.parent / "elsewhere", BEHIND_LINKS), command
    run("report", tiny_study_path, "--out", home)
    assert is_as_planted(home, PLANTED)
    assert (home / "link").is_symlink()
    # Other regions and other networks replace the first ones, and the files of the user still stay.
    run("run", *words, "--set", "image.slice_px=48", "--reason", "larger slices")
    assert is_as_planted(home, PLANTED)
    assert is_as_planted(home.parent / "elsewhere", BEHIND_LINKS)


@pytest.mark.slow
def test_a_score_table_leaves_what_it_finds(run, home, tmp_path):
    rows = [f"P{i},A,{i % 2},{0.3 + 0.4 * (i % 2) + 0.01 * (i % 7)}" for i in range(30)]
    (tmp_path / "table.csv").write_text("\n".join(["patient_id,model,is_high,p_high", *rows]), encoding="utf-8")
    for _ in range(2):
        run("evaluate", tmp_path / "table.csv", "--out", home)
        assert is_as_planted(home, PLANTED)
        assert is_as_planted(home.parent / "elsewhere", BEHIND_LINKS)


@pytest.mark.slow
def test_what_a_killed_run_left_goes_and_nothing_else(run, home, tmp_path):
    rows = [f"P{i},A,{i % 2},{0.3 + 0.4 * (i % 2) + 0.01 * (i % 7)}" for i in range(30)]
    (tmp_path / "table.csv").write_text("\n".join(["patient_id,model,is_high,p_high", *rows]), encoding="utf-8")
    run("evaluate", tmp_path / "table.csv", "--out", home)
    ours = (".nephrograde-1-ledger.csv", "scores/.nephrograde-1-scores.csv", "models/x/.nephrograde-1-fold-0/card.json")
    others = (".nephrograde-1-report.csv", "letters/.nephrograde-1-a.csv", "models/x/fold-0/.nephrograde-1-a.csv")
    plant(home, ours + others)
    (home / "scores" / ".nephrograde-1-link").symlink_to(tmp_path / "elsewhere" / "folder")
    (home / "report" / "tables").rename(tmp_path / "tables")
    plant(tmp_path / "tables", [".nephrograde-1-a.csv"])
    (home / "report" / "tables").symlink_to(tmp_path / "tables")
    run("evaluate", tmp_path / "table.csv", "--out", home)
    assert [name for name in ours if (home / name).exists()] == []
    assert is_as_planted(home, PLANTED + others)
    assert is_as_planted(tmp_path / "elsewhere", BEHIND_LINKS)
    assert is_as_planted(tmp_path / "tables", [".nephrograde-1-a.csv"])
    assert not (home / "scores" / ".nephrograde-1-link").is_symlink()


@pytest.mark.slow
def test_nothing_is_removed_behind_a_linked_folder_of_regions(run, tiny_study_path, tmp_path):
    elsewhere = tmp_path / "large disk"
    names = ("notes.txt", "P1-up.0123456789abcdef.json", ".nephrograde-1-a.npy")
    plant(elsewhere, names)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "volumes").symlink_to(elsewhere)
    for _ in range(2):
        run("prepare", tiny_study_path, "--out", tmp_path / "run", *SMALL, *ONE_ARM)
        assert is_as_planted(elsewhere, names)
    assert (elsewhere / "regions.csv").is_file()


@pytest.mark.slow
def test_scanning_and_deidentifying_leave_what_they_find(run, tmp_path):
    settings = PhantomSettings(patients=2, phases=("cmp",), matrix_px=48, dicom=True)
    export_dir = write_cohort(tmp_path / "synthetic", settings).parent / "images"
    home, clean = tmp_path / "home", tmp_path / "clean"
    names = (".vimrc.tmpl", ".thesis.tmp/draft.txt", "cohort.series/summer-1.series", "cohort.thumbs/summer-1.png")
    plant(home, names)
    for _ in range(2):
        run("scan", export_dir, "--out", home / "cohort.csv", "--look", "never", "--workers", "1")
        assert is_as_planted(home, names)
    added = (".vimrc.tmpl", "P0001/study-1/series-1/.notes.tmp.txt", ".thesis.tmp/draft.txt", "a/.nephrograde-1-a.dcm")
    for _ in range(2):
        run("deidentify", export_dir, "--out", clean, "--key", tmp_path / "key.csv")
        plant(clean, added)
    assert is_as_planted(clean, added)
    plant(clean, ["P0001/study-1/series-1/.nephrograde-1-IM0001.dcm"])
    run("deidentify", export_dir, "--out", clean, "--key", tmp_path / "key.csv")
    assert is_as_planted(clean, added)
    assert not list(clean.glob("P*/*/*/.nephrograde-*"))
