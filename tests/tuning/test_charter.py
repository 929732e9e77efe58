"""A charter is read strictly, and a no names the next step that fits what failed."""

from __future__ import annotations

import copy
import re
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from serving.interface.behaviours import Behaviour
from tuning.charter import QUESTIONS, Answers, Charter, NextStep, advise, own_charter, read_charter, require_yes
from tuning.errors import CharterInvalid, TrainingNotAdvised

TODAY = date(2026, 12, 1)
SOUND: dict[str, Any] = {
    "behaviour": "refusal",
    "owner": "the docs team",
    "review_date": TODAY + timedelta(days=90),
    "budget": {"hours": 2.0, "cost": 10.0},
    "rows": {"minimum": 400, "synthetic_cap": 0.25},
    "least_gain": {"metric": "balanced_accuracy", "points": 5.0},
    "evaluation": "300 questions of last month with the right verdict.",
    "teacher": "",
    "failure": {"of": "behaviour", "pace": "stable"},
    "questions": {key: {"answer": True, "evidence": f"Evidence of {key}."} for key in QUESTIONS},
}


def charter(**changes: Any) -> Charter:
    """A charter that is advised to train, but for `changes`: names of fields, parts of names joined by `__`."""
    written = copy.deepcopy(SOUND)
    for where, value in changes.items():
        *path, last = where.split("__")
        at = written
        for name in path:
            at = at[name]
        at[last] = value
    return Charter.model_validate(written)


def no_to(question: str) -> dict[str, bool]:
    return {f"questions__{question}__answer": False}


def test_five_yeses_advise_to_train():
    advice = advise(charter(), today=TODAY)
    assert (advice.verdict, advice.next_step) == ("yes", NextStep.FINE_TUNE)
    assert advice.reasons == tuple(f"Evidence of {key}." for key in QUESTIONS)
    require_yes(advice)


TEACHER = {"teacher": "a larger model"}
KNOWLEDGE = {"failure__of": "knowledge"}
VOLATILE = {"failure__pace": "volatile"}
NOS = {
    "no evaluation": ({"evaluation": " "}, NextStep.PROMPT, "Write the evaluation first"),
    "a yes that no evaluation carries": (
        {"evaluation": "", **no_to("prompting_fails")},
        NextStep.PROMPT,
        "Write the evaluation first",
    ),
    "prompting passes": (no_to("prompting_fails"), NextStep.PROMPT, "Keep the prompt that passes"),
    "knowledge that changes": ({**KNOWLEDGE, **VOLATILE}, NextStep.RETRIEVAL, "out of date"),
    "knowledge that stays": (KNOWLEDGE, NextStep.RETRIEVAL, "few shots"),
    "no failure of behaviour": (no_to("failure_is_behaviour"), NextStep.RETRIEVAL, "documents"),
    "a form that changes": (VOLATILE, NextStep.PROMPT, "settled"),
    "too few examples": (no_to("enough_examples"), NextStep.FEW_SHOT, "collect"),
    "too few examples, with a teacher": (
        {**no_to("enough_examples"), **TEACHER},
        NextStep.DISTILL,
        "Let a larger model write rows in the form of production, at most 25%",
    ),
    "a teacher who may write nothing": (
        {**no_to("enough_examples"), **TEACHER, "rows__synthetic_cap": 0.0},
        NextStep.FEW_SHOT,
        "collect",
    ),
    "no owner": ({"owner": ""}, NextStep.PROMPT, "Name an owner"),
    "an owner who leaves": (no_to("owned_for_a_year"), NextStep.PROMPT, "Name an owner"),
    "not worth it": (no_to("worth_the_cost"), NextStep.PROMPT, "cost falls"),
    "answers of long ago": ({"review_date": TODAY - timedelta(days=1)}, NextStep.PROMPT, "again"),
}


@pytest.mark.parametrize(("changes", "step", "todo"), NOS.values(), ids=NOS)
def test_a_no_names_the_next_step_that_fits_what_failed(changes: dict[str, Any], step: NextStep, todo: str):
    advice = advise(charter(**changes), today=TODAY)
    assert (advice.verdict, advice.next_step, len(advice.reasons)) == ("no", step, 1)
    assert todo in advice.todo


def test_a_no_stops_what_would_train_and_says_what_to_do():
    advice = advise(charter(**no_to("worth_the_cost"), owner=""), today=TODAY)
    with pytest.raises(TrainingNotAdvised, match="refusal says no") as stopped:
        require_yes(advice)
    assert all(reason in str(stopped.value) for reason in advice.reasons)
    assert stopped.value.remedy == f"Next step, prompt: {advice.todo}"


def test_the_review_date_is_the_last_good_day():
    assert advise(charter(review_date=TODAY), today=TODAY).verdict == "yes"


@pytest.mark.parametrize(("rows", "verdict"), [(399, "no"), (400, "yes"), (None, "yes")])
def test_rows_that_are_counted_outvote_what_the_charter_hopes(rows: int | None, verdict: str):
    advice = advise(charter(), today=TODAY, rows=rows)
    assert advice.verdict == verdict
    assert rows != 399 or advice.reasons == ("There are 399 rows, and the charter asks for 400.",)


@pytest.mark.parametrize(("rows", "step"), [(299, NextStep.FEW_SHOT), (300, NextStep.DISTILL)])
def test_a_teacher_helps_only_where_the_rows_that_people_wrote_leave_it_room(rows: int, step: NextStep):
    assert advise(charter(**TEACHER), today=TODAY, rows=rows).next_step is step


def test_a_teacher_may_fill_its_cap_to_the_last_row():
    filled = charter(**TEACHER, rows={"minimum": 1000, "synthetic_cap": 0.7}, questions__enough_examples__answer=False)
    assert advise(filled, today=TODAY, rows=300).next_step is NextStep.DISTILL
    assert advise(filled, today=TODAY, rows=299).next_step is NextStep.FEW_SHOT


def test_every_combination_of_answers_gets_a_verdict_and_the_first_no_leads():
    leading = {"prompting_fails": "Keep", "failure_is_behaviour": "Put", "enough_examples": "Use"}
    for answers in product([True, False], repeat=len(QUESTIONS)):
        asked = dict(zip(QUESTIONS, answers, strict=True))
        advice = advise(charter(**{f"questions__{key}__answer": yes for key, yes in asked.items()}), today=TODAY)
        noes = [key for key, yes in asked.items() if not yes]
        assert advice.verdict == ("no" if noes else "yes")
        assert len(advice.reasons) == (len(noes) or len(QUESTIONS))
        if noes and noes[0] in leading:
            assert advice.todo.startswith(leading[noes[0]])


def test_the_questions_are_the_fields_of_the_answers():
    assert list(Answers.model_fields) == list(QUESTIONS)


@pytest.mark.parametrize("behaviour", Behaviour)
def test_the_projects_own_charters_advise_to_train(behaviour: Behaviour):
    own = read_charter(own_charter(behaviour))
    assert own.behaviour is behaviour
    assert advise(own, today=TODAY).verdict == "yes"


def test_there_is_one_charter_a_behaviour_and_no_other():
    folder = own_charter(Behaviour.REFUSAL).parent
    assert {path.stem for path in folder.iterdir()} == set(Behaviour)


words = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@given(evidence=words, answer=st.booleans(), hours=st.floats(0.1, 1e6), day=st.dates())
def test_a_charter_that_was_written_is_read_back_equal(
    tmp_path_factory: pytest.TempPathFactory, evidence: str, answer: bool, hours: float, day: date
):
    written = charter(
        questions__worth_the_cost={"answer": answer, "evidence": evidence}, budget__hours=hours, review_date=day
    )
    path = tmp_path_factory.mktemp("charter") / "charter.yaml"
    kept = written.model_dump() | {"behaviour": str(written.behaviour)}
    path.write_text(yaml.safe_dump(kept, allow_unicode=True), "utf-8")
    assert read_charter(path) == written


SOUND_TEXT = yaml.safe_dump(SOUND, sort_keys=False)
FAULTS = {
    "a doubled key": ("owner: the docs team", "owner: a\nowner: b", "line 3: owner stands here for the second time"),
    "a doubled key inside": ("  hours: 2.0", "  hours: 2.0\n  hours: 3.0", "line 6: budget.hours stands here"),
    "an unknown key": ("  cost: 10.0", "  cost: 10.0\n  costs: 1", "line 7: budget.costs: Extra inputs"),
    "a missing key": ("  hours: 2.0\n", "", "line 4: budget.hours: Field required"),
    "a word for a number": ("hours: 2.0", "hours: few", "line 5: budget.hours: Input should be a valid number"),
    "a number out of bounds": (
        "synthetic_cap: 0.25",
        "synthetic_cap: 25",
        "line 9: rows.synthetic_cap: Input should be",
    ),
    "not a number": ("hours: 2.0", "hours: .nan", "line 5: budget.hours: Input should be a finite number"),
    "a quoted yes": ("answer: true", "answer: 'yes'", "answer: Input should be a valid boolean"),
    "a day that is none": (f"{SOUND['review_date']}", "2026-13-45", "line 3: review_date: 2026-13-45 is no timestamp"),
    "a moment for a day": (f"{SOUND['review_date']}", "2026-12-31 10:00:00", "line 3: review_date: Input should be"),
    "a tag on nothing": ("hours: 2.0", 'hours: !!int ""', "line 5: budget.hours:  is no int"),
    "a tag on another word": ("hours: 2.0", "hours: !!bool few", "line 5: budget.hours: few is no bool"),
    "a tag on no day": ("hours: 2.0", "hours: !!timestamp soon", "line 5: budget.hours: soon is no timestamp"),
    "a number past all bounds": ("hours: 2.0", "hours: 1" + ":00" * 300 + ".5", "is no float"),
    "an unknown metric": (
        "metric: balanced_accuracy",
        "metric: no_such_metric",
        "line 10: least_gain: Value error, no_such_metric is no metric of refusal; it has accuracy_answerable, ",
    ),
    "a metric of another behaviour": ("metric: balanced_accuracy", "metric: ndcg_at_10", "is no metric of refusal"),
    "an unknown behaviour": ("behaviour: refusal", "behaviour: tone", "line 1: behaviour: Input should be"),
    "blank evidence": ("evidence: Evidence of worth_the_cost.", "evidence: ' '", "questions.worth_the_cost.evidence"),
    "a reference": ("failure:", "spare: &a {of: b}\nfailure: *a\nother:", "is a reference; write it out"),
    "a key that is no word": ("owner: the docs team", "yes: the docs team", "line 2: a key is no word"),
    "a merge": ("  hours: 2.0", "  <<: {hours: 2.0}", "line 5: a key is no word"),
    "broken YAML": ("  hours: 2.0", "  hours: [2.0", "line 6"),
    "an object of Python": ("hours: 2.0", "hours: !!python/object:os.system {}", "line 5: could not determine"),
    "a tab": ("  hours: 2.0", "\thours: 2.0", "line 5: found character"),
    "a forbidden character": ("hours: 2.0", "hours: \x07", "line 5: the character U+0007"),
    "two documents": ("teacher: ''", "---\nteacher: ''", "line 14: but found another document"),
}


@pytest.mark.parametrize(("old", "new", "named"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_by_its_line_and_its_key(tmp_path: Path, old: str, new: str, named: str):
    assert old in SOUND_TEXT
    path = tmp_path / "charter.yaml"
    path.write_text(SOUND_TEXT.replace(old, new, 1), "utf-8")
    with pytest.raises(CharterInvalid) as refused:
        read_charter(path)
    assert named in str(refused.value)
    assert str(refused.value).startswith(str(path))
    assert "refusal.yaml" in refused.value.remedy


def test_all_faults_are_told_at_once_in_the_order_of_lines(tmp_path: Path):
    path = tmp_path / "charter.yaml"
    wrong = SOUND_TEXT.replace("hours: 2.0", "hours: few").replace("minimum: 400", "minimum: none")
    path.write_text("colour: blue\n" + wrong, "utf-8")
    with pytest.raises(CharterInvalid, match=r"line 1: colour.*; line 6: budget\.hours.*; line 9: rows\.minimum"):
        read_charter(path)


NO_CHARTERS = {
    "empty": b"",
    "a remark": b"# nothing\n",
    "a list": b"[]",
    "a word": b"yes",
    "not utf-8": b"\xff\xfe",
    "deep": b"[" * 9999,
}


@pytest.mark.parametrize("content", NO_CHARTERS.values(), ids=NO_CHARTERS)
def test_a_file_that_is_no_charter_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "charter.yaml"
    path.write_bytes(content)
    with pytest.raises(CharterInvalid):
        read_charter(path)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(CharterInvalid, match="cannot be read"):
        read_charter(tmp_path / "none.yaml")


DOCS = Path(__file__).parents[2] / "docs" / "charter.md"


def test_the_charter_that_the_documentation_shows_is_advised_to_train(tmp_path: Path):
    (shown,) = re.findall(r"^```yaml\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    path = tmp_path / "charter.yaml"
    path.write_text(shown, "utf-8")
    assert advise(read_charter(path), today=TODAY).verdict == "yes"


def table(heading: str) -> dict[str, str]:
    """First cell to second cell of the rows of a table of the page, without code marks."""
    section = DOCS.read_text("utf-8").split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").replace("`", "").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return {row[0]: row[1] for row in rows[1:]}


def test_the_documentation_explains_every_field_question_and_step():
    assert list(table("Fields of a charter")) == list(Charter.model_fields)
    assert table("The five questions") == QUESTIONS
    assert set(table("What a no names").values()) == set(NextStep) - {NextStep.FINE_TUNE}
