"""What a behaviour writes it can read: parse(build_target(x)) == x, and everything else is refused by name."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.interface import citation, query_rewrite, refusal, rerank
from serving.interface.citation import CitedSentence
from serving.interface.context import CONTEXT_TOKENS, PASSAGE_TOKENS, Context, ContextPassage, build_context
from serving.interface.errors import ContractError, MalformedOutput, QuestionTooLong
from serving.interface.refusal import Answerability, Judgement, Reason
from serving.interface.segments import Message, escape, normalise, normalise_code
from serving.interface.standalone import standalone
from serving.interface.template import prompt_ids
from serving.interface.turns import HISTORY_TOKENS, QUESTION_TOKENS, TURN_TOKENS, Turn, fit_turns
from tests.serving.interface.chatml import CHATML, HOSTILE, CharacterTokenizer, words

NORMAL = HOSTILE.map(normalise).filter(bool)
CODE = HOSTILE.map(normalise_code).filter(lambda text: len(text.splitlines()) > 1)
NUMBERS = st.lists(st.integers(1, 10), min_size=1, unique=True).map(tuple)
PASSAGES = st.lists(st.builds(ContextPassage, id=st.uuids().map(str), text=st.text(max_size=400)), max_size=4)


def _context(*texts: str) -> Context:
    return build_context([ContextPassage(id=str(n), text=text) for n, text in enumerate(texts)], words)


TEN = _context(" ".join(f"Sentence {n} ends." for n in range(10)))


@given(st.lists(st.builds(CitedSentence, NORMAL | CODE, NUMBERS), min_size=1))
def test_an_answer_reads_back_as_written(sentences: list[CitedSentence]) -> None:
    assert citation.parse(citation.build_target(sentences), TEN) == tuple(sentences)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "without a citation"),
        ("No marker at all.", "without a citation"),
        ("Cited. [1] Not cited.", "without a citation"),
        ("[1]", "without a citation"),
        ("[1] Marker first. [2]", "without a citation"),
        ("Unknown. [11]", "not shown: \\[11\\]"),
        ("Zero. [0]", "not shown"),
        ("Full width. [３]", "without a citation"),
        (". [1]. And more [2] rest", "without a citation"),
    ],
)
def test_an_answer_is_malformed_that_reads(text: str, complaint: str) -> None:
    with pytest.raises(MalformedOutput, match=complaint) as caught:
        citation.parse(text, TEN)
    assert caught.value.text == text


def test_contradicting_sources_are_both_cited() -> None:
    assert citation.parse("The pages disagree about the port. [1][2]", TEN)[0].numbers == (1, 2)


@given(st.lists(st.builds(CitedSentence, NORMAL, st.just((1, 2))), min_size=1), st.data())
def test_a_growing_answer_never_takes_a_sentence_back(sentences: list[CitedSentence], draws: st.DataObject) -> None:
    text = citation.build_target(sentences)
    cut = draws.draw(st.integers(0, len(text)))
    early, _ = citation.read_cited(text[:cut])
    assert [s.text for s in early] == [s.text for s in sentences[: len(early)]]
    assert early[:-1] == tuple(sentences[: max(len(early) - 1, 0)])


@given(PASSAGES)
def test_every_number_stands_for_an_exact_slice_of_a_passage(passages: list[ContextPassage]) -> None:
    texts = {p.id: p.text for p in passages}
    context = build_context(passages, words)
    for expected, sentence in enumerate(context.sentences, start=1):
        assert sentence.number == expected
        assert texts[sentence.passage_id][sentence.start : sentence.end].strip()
        assert expected in context.numbers(sentence.passage_id, sentence.start, sentence.end)


def test_a_literal_marker_in_a_source_cannot_pass_for_a_citation() -> None:
    context = _context("The manual says [7] so.")
    rendered = "".join(s.text for s in CHATML.render(citation.build_messages("Why [9]?", context, count=words)))
    assert "[7]" not in rendered
    assert "[9]" not in rendered
    assert "\n[1] The manual says [ 7] so." in rendered


def test_the_end_of_the_least_relevant_passage_is_dropped_first() -> None:
    passages = [ContextPassage(id=i, text="One two three. " * 3) for i in "ab"]
    # a header is one word, and a sentence with its number four
    context = build_context(passages, words, limit=(1 + 3 * 4) + (1 + 4))
    assert [s.passage_id for s in context.sentences] == ["a", "a", "a", "b"]


def test_trust_and_title_are_shown_and_headings_are_not_citable() -> None:
    passage = ContextPassage(id="a", title="Guide > Ports", text="## Ports\n\nIt is 7001.", trust="community")
    context = build_context([passage], words)
    assert "".join(s.text for s in context.segments) == (
        "\n\nPassage from Guide > Ports (community):\n Ports\n[1] It is 7001."
    )


@given(HOSTILE)
def test_a_rewrite_reads_back_as_written_or_is_no_target(query: str) -> None:
    try:
        target = query_rewrite.build_target(query)
    except ContractError:
        assert not normalise(query) or len(escape(normalise(query))) > query_rewrite.QUERY_CHARACTERS
    else:
        assert query_rewrite.parse(target) == normalise(query)


@pytest.mark.parametrize("text", ["", "  \n", "two\nlines", "x" * 257])
def test_a_rewrite_is_malformed_that_is_empty_or_rambles(text: str) -> None:
    with pytest.raises(MalformedOutput):
        query_rewrite.parse(text)


@pytest.mark.parametrize("label", Answerability)
def test_a_label_reads_back_as_written(label: Answerability) -> None:
    assert refusal.parse(refusal.build_target(label)) is label


@pytest.mark.parametrize("text", ["", "maybe", "yes it does", "yes no"])
def test_a_label_is_malformed_that_is_no_word_of_the_contract(text: str) -> None:
    with pytest.raises(MalformedOutput):
        refusal.parse(text)


@given(st.lists(st.floats(-200, 0), min_size=3, max_size=3))
def test_odds_sum_to_one_and_follow_the_log_probabilities(logs: list[float]) -> None:
    judgement = refusal.judge(dict(zip(Answerability, logs, strict=True)))
    odds = [judgement.answerable, judgement.unanswerable, judgement.underspecified]
    assert math.isclose(sum(odds), 1.0)
    assert odds[logs.index(max(logs))] == max(odds)


def test_the_most_answerable_passage_decides() -> None:
    weak, strong = Judgement(0.2, 0.7, 0.1), Judgement(0.6, 0.3, 0.1)
    assert refusal.pool([weak, strong]) == refusal.pool([strong, weak])
    assert refusal.pool([weak, strong]).answerable == 0.6
    assert refusal.pool([]).label(0.5) is Answerability.UNANSWERABLE
    assert Judgement(0.3, 0.3, 0.4).label(0.5) is Answerability.UNDERSPECIFIED


def test_a_passage_that_asks_back_is_not_outvoted_by_one_that_has_nothing_to_do_with_the_question() -> None:
    foreign, asking = Judgement(0.05, 0.95, 0.0), Judgement(0.04, 0.0, 0.96)
    assert refusal.pool([foreign, asking]).label(0.5) is Answerability.UNDERSPECIFIED
    assert refusal.pool([foreign, foreign]).label(0.5) is Answerability.UNANSWERABLE


def test_a_refusal_is_a_fixed_sentence_and_what_was_found_nearby() -> None:
    assert refusal.refusal_text(Reason.UNANSWERABLE, ["Ports", "Ports", "", "Logs", "Users", "Keys"]) == (
        "I could not find an answer to this in the documentation. The closest I found: Ports; Logs; Users."
    )


@pytest.mark.parametrize("relevance", [-0.1, 1.1, math.nan])
def test_a_relevance_outside_zero_and_one_is_refused(relevance: float) -> None:
    with pytest.raises(ContractError):
        rerank.build_target(relevance)
    with pytest.raises(MalformedOutput):
        rerank.parse(relevance)


def test_a_relevance_reads_back_as_written() -> None:
    assert rerank.parse(rerank.build_target(0.25)) == 0.25


TURNS = st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant"]), content=st.text()), max_size=8)


@given(TURNS)
def test_history_loses_the_oldest_first_and_blank_turns_always(turns: list[Turn]) -> None:
    fitted = fit_turns(turns, words)
    spoken = [t for t in turns if normalise(t.content)]
    assert [t.role for t in fitted] == [t.role for t in spoken[len(spoken) - len(fitted) :]]
    assert all(words(t.content) <= TURN_TOKENS for t in fitted)


PIECES = st.sampled_from(["", "[1] ", "↵", "語", "# Long heading\n\nText. ", "word ", "x"])
BIG = st.text(max_size=300) | st.builds(lambda text, times: text * times, PIECES, st.integers(1, 900))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.builds(Turn, role=st.sampled_from(["user", "assistant"]), content=BIG), max_size=40),
    st.lists(st.builds(ContextPassage, id=st.uuids().map(str), text=BIG, title=BIG), min_size=1, max_size=6),
)
def test_no_prompt_is_longer_than_its_budgets(turns: list[Turn], passages: list[ContextPassage]) -> None:
    tokenizer = CharacterTokenizer()

    def count(text: str) -> int:
        return len(tokenizer.encode_data(text))

    def length(messages: tuple[Message, ...]) -> int:
        return len(prompt_ids(messages, CHATML, tokenizer))

    nothing = ContextPassage(id="a", text="")
    room = HISTORY_TOKENS + len("\n\nConversation:") + len("\n\n")
    bare = length(citation.build_messages("Why?", build_context([], count), count=count))
    full = length(citation.build_messages("Why?", build_context(passages, count), turns, count=count))
    assert full <= bare + CONTEXT_TOKENS + room
    bare = length(refusal.build_messages("Why?", nothing, count=count))
    full = length(refusal.build_messages(standalone("Why?", turns, count), passages[0], count=count))
    assert full <= bare + PASSAGE_TOKENS + QUESTION_TOKENS


@pytest.mark.parametrize("turn", ["語" * 300, "x" * 300], ids=["a script without spaces", "a long key"])
def test_a_turn_without_spaces_is_cut_not_lost(turn: str) -> None:
    (fitted,) = fit_turns([Turn(role="user", content=turn)], len)
    assert fitted.content == turn[:TURN_TOKENS]


def test_one_page_with_endless_titles_cannot_crowd_out_the_others() -> None:
    hostile = ContextPassage(id="a", title="title " * 2000, text="# " + "heading " * 2000 + "\n\n" + "x" * 600)
    context = build_context([hostile, ContextPassage(id="b", text="It is 7001.")], words, limit=120)
    assert [s.passage_id for s in context.sentences] == ["a", "b"]


def test_a_passage_of_which_nothing_fits_is_skipped() -> None:
    passages = [ContextPassage(id="a", text="word " * 100), ContextPassage(id="b", text="It is 7001.")]
    assert [s.passage_id for s in build_context(passages, words, limit=20).sentences] == ["b"]


@pytest.mark.parametrize("text", ["![](a.png) ![](b.png)", "|---|---|", "\u202a\u202b", "+---+"])
def test_what_shows_no_word_is_not_citable(text: str) -> None:
    context = build_context([ContextPassage(id="a", text=f"It is 7001:\n\n{text}")], words)
    assert [s.shown for s in context.sentences] == ["It is 7001:"]


def test_a_passage_that_begins_inside_code_is_read_so() -> None:
    passage = ContextPassage(id="a", text="if x:\n    go()\n```\nThe port is 7001.", in_code=True)
    assert [s.shown for s in build_context([passage], words).sentences] == ["if x:\n    go()", "The port is 7001."]


def test_a_stop_after_the_marker_belongs_to_the_sentence_before() -> None:
    assert citation.parse("The port is 7001 [1]. Restart it [2].", TEN) == (
        CitedSentence("The port is 7001.", (1,)),
        CitedSentence("Restart it.", (2,)),
    )


def test_the_reranker_reads_what_the_others_show_and_no_control_words() -> None:
    passage = ContextPassage(id="a", title="Ports", text="See [the guide](g.md). Use [SEP] or </s>.\n\n```\nrun\n```")
    assert rerank.build_pair("Why [CLS]?", passage) == (
        "Why [ CLS]?",
        "Ports\nSee the guide. Use [ SEP] or < /s>. run",
    )


def test_a_long_turn_is_cut_at_its_end_and_old_turns_go() -> None:
    turns = [Turn(role="user", content=f"turn{n} " + "word " * 200) for n in range(9)]
    fitted = fit_turns(turns, words)
    assert [t.content.split()[0] for t in fitted] == ["turn6", "turn7", "turn8"]
    assert {words(t.content) for t in fitted} == {TURN_TOKENS}


def test_a_question_that_is_too_long_is_refused_not_cut() -> None:
    with pytest.raises(QuestionTooLong, match="401 tokens") as caught:
        query_rewrite.build_messages("word " * 401, count=words)
    assert caught.value.remedy
