"""A damaged catalogue is refused with its path, or gives what an undamaged one gives; never anything else."""

import random
import sqlite3

import pytest
from tests.mutants import mutated

from nephrograde.errors import InputError, WriteError
from nephrograde.sources.scan.catalogue import catalogue

SEED = 20261127
MUTATIONS = 200


@pytest.fixture(scope="module")
def export_dir(tmp_path_factory, write_stack):
    """Two series with fixed UIDs, a duplicate, and a file that is not DICOM."""
    folder = tmp_path_factory.mktemp("export")
    write_stack(folder / "a", range(8))
    write_stack(folder / "b", range(0, 40, 5), uid="1.2.3.8", SeriesDescription="静脉期")
    write_stack(folder / "copy", [0])
    (folder / "report.txt").write_text("no image")
    return folder


@pytest.fixture
def held_path(export_dir, tmp_path):
    catalogue(export_dir, tmp_path / "held.sqlite", workers=1).close()
    return tmp_path / "held.sqlite"


def listing(export_dir, held_path):
    """Everything that a scan takes from a catalogue."""
    with catalogue(export_dir, held_path, workers=1) as held:
        series = [(header, held.files(header)) for study in held.studies() for header in study]
        return held.n_files, series, held.skipped(), list(held.skipped_files())


def listing_or_refusal(export_dir, held_path):
    """The listing, or the path in the refusal."""
    try:
        return listing(export_dir, held_path)
    except InputError as error:
        return error.problems[0].place
    except WriteError as error:
        return str(error.path)


def test_a_mutated_catalogue_is_refused_or_gives_the_same(export_dir, held_path):
    intact, undisturbed = held_path.read_bytes(), listing(export_dir, held_path)
    counts = {"same": 0, "refused": 0}
    for number in range(MUTATIONS):
        held_path.unlink()
        held_path.write_bytes(mutated(intact, random.Random(f"{SEED} {number}")))  # noqa: S311
        held_path.with_name("held.sqlite-journal").unlink(missing_ok=True)
        found = listing_or_refusal(export_dir, held_path)
        assert found in (undisturbed, str(held_path)), number
        counts["same" if found == undisturbed else "refused"] += 1
    assert counts["same"] > MUTATIONS // 50
    assert counts["refused"] > MUTATIONS // 2


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE says SET text = substr(text, 2)",
        "UPDATE says SET text = '[' || id || ']'",
        "UPDATE says SET text = CAST(x'ff' || id AS TEXT)",
        "UPDATE instance SET low_mm = 'high'",
        "UPDATE instance SET low_mm = low_mm + 0.5 WHERE number = 3",
        "UPDATE instance SET number = NULL",
        "UPDATE instance SET series_uid = CAST(x'31ff' AS TEXT)",
        "UPDATE instance SET patient_id = 'another' WHERE number = 1",
        "UPDATE instance SET member = x'00'",
        "UPDATE instance SET says = 99",
        "UPDATE instance SET file = 99 WHERE number = 2",
        "UPDATE file SET path = NULL",
        "UPDATE file SET path = 'text' || id",
        "UPDATE file SET id = id + 100",
        "UPDATE refused SET reason = NULL",
        "UPDATE refused SET reason = x'ff'",
        "UPDATE scan SET number = 'many'",
        "DELETE FROM scan; INSERT INTO scan SELECT 4, NULL, NULL; UPDATE file SET number = 7",
        "DELETE FROM file",
        "DELETE FROM says",
        "DROP TABLE says",
        "ALTER TABLE instance DROP COLUMN acquired",
        "ALTER TABLE scan RENAME COLUMN version TO release",
    ],
)
def test_impossible_content_is_refused_or_read_again(export_dir, held_path, damage):
    undisturbed = listing(export_dir, held_path)
    with sqlite3.connect(held_path) as connection:
        connection.executescript(damage)
    connection.close()
    assert listing_or_refusal(export_dir, held_path) in (undisturbed, str(held_path))


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_catalogue_is_refused_or_read_again(export_dir, held_path, part):
    undisturbed, content = listing(export_dir, held_path), held_path.read_bytes()
    held_path.write_bytes(content[: int(len(content) * part)])
    if part == 0:
        assert listing(export_dir, held_path) == undisturbed
        return
    with pytest.raises(InputError, match=r"held\.sqlite"):
        listing(export_dir, held_path)


def test_a_foreign_database_is_refused_and_left_alone(export_dir, tmp_path):
    with sqlite3.connect(tmp_path / "mine.sqlite") as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    before = (tmp_path / "mine.sqlite").read_bytes()
    with pytest.raises(InputError, match=r"mine\.sqlite"):
        catalogue(export_dir, tmp_path / "mine.sqlite")
    assert (tmp_path / "mine.sqlite").read_bytes() == before


def test_after_deleting_a_damaged_catalogue_the_scan_gives_the_same(export_dir, held_path):
    undisturbed = listing(export_dir, held_path)
    held_path.write_bytes(b"SQLite format 3\0" + bytes(5000))
    with pytest.raises(InputError):
        listing(export_dir, held_path)
    held_path.unlink()
    assert listing(export_dir, held_path) == undisturbed
