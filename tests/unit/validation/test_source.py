"""What describes another hospital's patients, and what of a study file does not count."""

import pytest
from tests.unit.export.small_grader import MODEL, small_members

from nephrograde.errors import InputError
from nephrograde.export.archive import write_archive
from nephrograde.export.grader_file import read_grader_file
from nephrograde.validation.source import open_elsewhere

pytestmark = pytest.mark.needs("onnxruntime")
TABLE = """patient_id,grade34,cmp_image,cmp_point,up_image,np_image
P1,1,a.nii.gz,"1,2,3 vox",b.nii.gz,
P2,0,c.nii.gz,"1,2,3 vox",,d.nii.gz
P3,0,,,e.nii.gz,
P4,0,,,,
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("grader") / "grader.zip"
    write_archive(path, small_members())
    return read_grader_file(path)


def opened(folder, file, text, *, table=TABLE):
    (folder / "cohort.csv").write_text(table, encoding="utf-8")
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return open_elsewhere(folder / "study.toml", file)


COHORT = '[cohort]\ntable = "cohort.csv"\nphases = ["np", "up", "cmp"]\noutcome = "grade34"\n'


@pytest.mark.parametrize(("mark", "is_synthetic"), [("yes", True), ("", False)])
def test_a_table_says_that_its_patients_are_synthetic(tmp_path, file, mark, is_synthetic):
    heading, *rows = TABLE.replace("grade34", "isup_grade").splitlines()
    marked = [f"{row},{mark}" for row in rows]
    (tmp_path / "north.csv").write_text("\n".join([f"{heading},synthetic", *marked]), encoding="utf-8")
    assert open_elsewhere(tmp_path / "north.csv", file).study.synthetic is is_synthetic


def test_the_patients_are_those_of_the_file_and_the_images_are_read_as_the_model_needs(tmp_path, file):
    masks, image = '[masks]\nlabel = "2"\ncarry = "off"\n', "[image]\nslice_px = 64\n"
    more = f'{masks}[evaluate]\nconfidence = 0.9\nthreshold = "cost"\n{image}'
    found = opened(tmp_path, file, f'name = "north"\n{COHORT}{more}')
    assert found.model.id == MODEL
    assert [case.patient_id for case in found.cohort.cases] == ["P1", "P2"]
    assert set(found.cohort.without_scan) == {"P3", "P4"}
    assert found.cohort.phases == ("cmp",)
    study = found.study
    assert study.cohort.phases == ("cmp", "up", "np")  # the order of the model's study, which decides who lends masks
    assert study.image == file.study.image
    assert (study.masks.label, study.masks.carry) == ("2", file.study.masks.carry)
    assert study.evaluate.confidence == 0.9
    assert study.evaluate.conformal_error == file.decision.set_error
    assert (study.name, study.synthetic) == ("north", False)
    note, outcome = found.notes[:2]
    assert all(key in note for key in ("[image]", "masks.carry", "evaluate.threshold"))
    assert "confidence" not in note
    assert "grade34" in outcome


def test_what_is_not_used_may_be_wrong(tmp_path, file):
    assert opened(tmp_path, file, f'{COHORT}[fit]\nepochs = "many"\n[[arm]]\nsupervision = "guess"\n').cohort.cases


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (f"{COHORT}[evaluate]\nconfidence = 2\n", "evaluate.confidence"),
        (COHORT.replace('"grade34"', '"isup"'), "column isup"),
        (COHORT.replace(', "cmp"', ""), "cohort.phases"),
        ("name = 'x'\n", "cohort"),
    ],
)
def test_mistakes_are_refused_with_their_place(tmp_path, file, text, place):
    with pytest.raises(InputError) as caught:
        opened(tmp_path, file, text)
    assert any(place in problem.place for problem in caught.value.problems)


def test_one_grade_and_few_patients_are_no_mistake_of_the_table(tmp_path, file):
    assert len(opened(tmp_path, file, COHORT, table="\n".join(TABLE.splitlines()[:2])).cohort.cases) == 1


def test_a_table_alone_is_enough(tmp_path, file):
    path = tmp_path / "south.csv"
    path.write_text(TABLE.replace("grade34", "isup_grade").replace(",1,", ",5,"), encoding="utf-8")
    with pytest.raises(InputError, match="P1: 5 is neither"):
        open_elsewhere(path, file)
    path.write_text(TABLE.replace("grade34", "isup_grade").replace(",0,", ",2,"), encoding="utf-8")
    found = open_elsewhere(path, file)
    assert (found.study.name, len(found.cohort.cases), found.notes) == ("south", 2, ())
