"""What a reader, and whoever decides, sees of other readers."""

from __future__ import annotations

import json
import uuid

import pytest

from nephrograde.errors import InputError

pytestmark = pytest.mark.needs("starlette", "uvicorn")
SECRET, COMMENT = "17.25,0,-280 mm", "seen by chen only"
ADDRESSES = (
    "/api/study",
    "/api/patients",
    "/api/patients/0",
    "/api/patients/0/entries",
    "/api/patients/0/readers",
    "/api/patients/0/phases/np",
    "/api/agreement",
    "/api/agreement?lang=zh",
)


def say(session, kind, value, *, phase="np", number=0):
    patient_id = session.patients[number].patient_id
    given = {"id": uuid.uuid4().hex, "patient_id": patient_id, "phase": phase, "kind": kind, "value": value}
    session.save(number, given)


def heard(ask):
    """Everything that the server says, as one text."""
    return "".join(json.dumps(ask("GET", address)[1], ensure_ascii=False) for address in ADDRESSES)


@pytest.mark.parametrize("done", [(), ("chen",), ("li",)])
def test_a_reader_is_blind_to_another_until_both_are_done(reading, done):
    sessions = {reader: reading(reader) for reader in ("chen", "li")}
    chen, li = sessions["chen"][0], sessions["li"][0]
    say(chen, "point", SECRET)
    say(chen, "comment", COMMENT, phase="")
    say(li, "point", "0,0,-280 mm")
    for reader in done:
        say(sessions[reader][0], "done", "yes", phase="")
    said = heard(sessions["li"][1])
    assert SECRET not in said
    assert "17.25" not in said
    assert COMMENT not in said
    assert sessions["li"][1]("GET", "/api/agreement")[1]["rows"] == []


def test_both_who_are_done_see_each_other_and_where_they_disagree(reading):
    (chen, _), (li, ask) = reading("chen"), reading("li")
    for session, value in ((chen, "30,0,-280 mm"), (li, "0,0,-280 mm")):
        say(session, "point", value)
        say(session, "point", "0,0,-270 mm", number=1)
        say(session, "done", "yes", phase="")
    _, found = ask("GET", "/api/patients/0/readers")
    assert not found["decides"]
    assert list(found["readers"]) == ["chen"]
    assert found["readers"]["chen"]["phases"] == {"np": {"point": "30,0,-280 mm"}}
    _, agreement = ask("GET", "/api/agreement")
    assert agreement["n_patients"] == 1  # nobody is done with the other
    (distance, _) = agreement["rows"]
    assert (distance["measure"], distance["value"], distance["n"]) == ("point_distance_mm", 30.0, 1)
    (one,) = agreement["disagreements"]
    assert (one["number"], one["phase"], one["measure"], one["value"]) == (0, "np", "point_distance_mm", 30.0)


def test_a_third_reader_who_is_not_done_sees_nothing_of_two_others(reading):
    for reader in ("chen", "li"):
        session, _ = reading(reader)
        say(session, "point", SECRET)
        say(session, "done", "yes", phase="")
    session, ask = reading("wang")
    assert SECRET not in heard(ask)
    say(session, "done", "yes", phase="")
    _, agreement = ask("GET", "/api/agreement")
    assert {(row["reader"], row["other_reader"]) for row in agreement["rows"]} == set()
    assert [(one["reader"], one["other_reader"], one["measure"]) for one in agreement["disagreements"]] == [
        ("chen", "wang", "label"),
        ("li", "wang", "label"),
    ]


def test_consensus_sees_all_readers_and_decides_in_a_journal_of_its_own(reading):
    (chen, _), (li, _) = reading("chen"), reading("li")
    say(chen, "point", SECRET)
    say(li, "none", "yes")
    for session in (chen, li):
        say(session, "done", "yes", phase="")
    session, ask = reading("consensus", decides=True)
    _, found = ask("GET", "/api/patients/0/readers")
    assert found["decides"]
    assert found["readers"]["chen"]["phases"]["np"] == {"point": SECRET}
    assert found["readers"]["li"]["states"]["np"] == "none"
    _, agreement = ask("GET", "/api/agreement")
    assert [(one["measure"], one["is_decided"]) for one in agreement["disagreements"]] == [("state", False)]
    say(session, "point", SECRET)
    _, agreement = ask("GET", "/api/agreement")
    assert [one["is_decided"] for one in agreement["disagreements"]] == [True]
    assert agreement["readers"] == ["chen", "li"]
    assert session.journal.path.name == "consensus.jsonl"


@pytest.mark.parametrize(("reader", "decides"), [("li", True), ("consensus", False), ("consensus-2", False)])
def test_labels_of_others_are_shown_only_to_a_journal_of_decisions(reading, reader, decides):
    with pytest.raises(InputError) as refused:
        reading(reader, decides=decides)
    assert [problem.place for problem in refused.value.problems] == ["--reader"]


def test_page_of_agreement_is_served(reading):
    _, ask = reading("li")
    status, page = ask("GET", "/agreement")
    assert status == 200
    assert b"/pages/agreement.js" in page


def test_journal_of_another_reader_that_was_edited_by_hand_is_named(reading):
    (chen, _), (li, ask) = reading("chen"), reading("li")
    for session in (chen, li):
        say(session, "done", "yes", phase="")
    with chen.journal.path.open("a", encoding="utf-8") as journal:
        journal.write("by hand\n")
    for address in ("/api/agreement", "/api/patients/0/readers"):
        status, reply = ask("GET", address)
        assert status == 400
        assert "chen.jsonl line 2" in reply["reason"]
    assert ask("GET", "/api/patients/0")[0] == 200
    say(li, "point", "0,0,-280 mm")
