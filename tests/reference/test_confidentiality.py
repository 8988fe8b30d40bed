"""Every row of DICOM PS3.15 Table E.1-1 is followed; two transcriptions of it agree."""

from tests.reference.confidentiality import LISTED, OPTION, REMOVED, RETAINED, coverage, table_rows, transcriptions


def test_no_attribute_of_the_table_is_retained_against_it():
    assert [row.name for row in table_rows() if row.outcome == RETAINED] == []


def test_every_row_is_counted():
    rows = coverage()
    assert sum(rows.values()) == 621 + 35
    by_outcome = {
        outcome: sum(n for (_, one), n in rows.items() if one == outcome) for outcome in (LISTED, OPTION, REMOVED)
    }
    assert by_outcome[LISTED] > 500
    assert by_outcome[OPTION] < 40


def test_both_transcriptions_of_the_table_agree():
    ours, theirs = transcriptions()
    assert len(ours) > 600
    assert {tag: basic for tag, basic in ours.items() if theirs.get(tag) != basic} == {}
