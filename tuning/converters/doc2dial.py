"""Doc2Dial (support dialogues over public pages, CC BY 3.0) to rows of refusal, citation and rerank, and questions.

    documents = read_documents([json.loads(...)])       # a file of documents, or an object a line
    turns = read_turns([json.loads(...)], documents)
    train, dev = split_documents(documents, share=0.66, seed=7)
    citation_rows(train, turns).rows        # only of turns about these documents
    rerank_rows(train, turns).rows          # first questions of dialogues
    asked_rows(dev, turns).rows             # which document answers, after a conversation
    switched_rows(dev, turns).rows          # the same, after another conversation about something else

The format, and how documents are cut into passages, is in `doc2dial_format`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence

from serving.interface.context import Context
from serving.interface.refusal import Answerability
from serving.interface.turns import Turn
from tuning.converters.converted import BLANK, Converted, LeftOut, collect, draw, quoted, sentences_of
from tuning.converters.doc2dial_format import (
    AskedTurn,
    Cut,
    Page,
    cut_page,
    read_documents,
    read_turns,
    split_documents,
)
from tuning.rows import AssistantRow, CitationRow, Origin, RankedPassage, RefusalRow, RerankRow

__all__ = [
    "ORIGIN",
    "AskedTurn",
    "Cut",
    "Page",
    "asked_rows",
    "citation_rows",
    "cut_page",
    "read_documents",
    "read_turns",
    "refusal_rows",
    "rerank_rows",
    "split_documents",
    "switched_rows",
]

ORIGIN = Origin(source="doc2dial", licence="CC BY 3.0")

_ELSEWHERE = LeftOut("its document is not among the given")
_UNANSWERED = LeftOut("no span of its document answers it")
_FOLLOW_UP = LeftOut("it follows others, which a row of rerank does not show")
_FEW_PASSAGES = LeftOut("its document has too few passages")
_NO_SENTENCE = LeftOut("the answer stands in no citable sentence")
_SEVERAL = LeftOut("the answer runs over several passages")
_NO_OTHER = LeftOut("its document has no other passage")


def citation_rows(
    documents: Sequence[Page],
    turns: Iterable[AskedTurn],
    *,
    passages: int = 1,
    seed: int = 0,
    origin: Origin = ORIGIN,
) -> Converted[CitationRow]:
    """Each turn with the whole sentences of its grounding span as the answer.

    For `passages` > 1 at a random place among others of its document; turns that rest on the same passage are asked
    over the same ones in the same order.
    """
    cuts = {page.doc_id: cut_page(page) for page in documents}
    return collect(_citation(turn, cuts, passages, seed, origin) for turn in turns)


def refusal_rows(
    documents: Sequence[Page],
    turns: Iterable[AskedTurn],
    *,
    unanswerable: bool = False,
    seed: int = 0,
    origin: Origin = ORIGIN,
) -> Converted[RefusalRow]:
    """Each turn with the passage that answers it, and with `unanswerable` also with another of its document.

    Nobody has checked that the other passage does not answer too: those rows are synthetic, and noisy.
    """
    cuts = {page.doc_id: cut_page(page) for page in documents}
    return collect(row for turn in turns for row in _refusals(turn, cuts, unanswerable, seed, origin))


def rerank_rows(
    documents: Sequence[Page],
    turns: Iterable[AskedTurn],
    *,
    passages: int = 10,
    seed: int = 0,
    origin: Origin = ORIGIN,
) -> Converted[RerankRow]:
    """The first question of each dialogue with what answers it (relevance 1) among others of its document (0).

    Nobody has checked that the others do not answer too: the rows are synthetic.
    """
    cuts = {page.doc_id: cut_page(page) for page in documents}
    made = origin.model_copy(update={"synthetic": True})
    return collect(_ranking(turn, cuts, passages, seed, made) for turn in turns)


def asked_rows(documents: Sequence[Page], turns: Iterable[AskedTurn]) -> Converted[AssistantRow]:
    """Each turn as a question after its conversation, with the document that answers as `uri`."""
    known = {page.doc_id for page in documents}
    return collect(_useless(turn, known) or _asked(turn, ()) for turn in turns)


def switched_rows(documents: Sequence[Page], turns: Iterable[AskedTurn], *, seed: int = 0) -> Converted[AssistantRow]:
    """As `asked_rows`, each after the longest part of a dialogue about a page of another title: the topic switches."""
    known = {page.doc_id: page.title for page in documents}
    dialogues: defaultdict[str, list[AskedTurn]] = defaultdict(list)
    for turn in turns:
        if not _useless(turn, known):
            dialogues[turn.id.rpartition("_")[0]].append(turn)
    return collect(_switched(dialogues, known, seed))


def _useless(turn: AskedTurn, known: Container[str]) -> LeftOut | None:
    """Why no row at all can be made of a turn, None if one can."""
    if turn.doc_id not in known:
        return _ELSEWHERE
    if not _said(turn.query).content:
        return BLANK
    return None if turn.answer.strip() else _UNANSWERED


def _gold(turn: AskedTurn, cuts: Sequence[Cut]) -> list[Cut]:
    """The passages that hold words of the grounding span; none where a document of another edition has others there."""
    start, end = turn.answer_start, turn.answer_start + len(turn.answer.rstrip())
    shared = [(cut, max(start, cut.start), min(end, cut.end)) for cut in cuts]
    return [
        cut
        for cut, first, last in shared
        if first < last
        and cut.passage.text[first - cut.start : last - cut.start] == turn.answer[first - start : last - start]
    ]


def _citation(
    turn: AskedTurn, cuts: dict[str, tuple[Cut, ...]], passages: int, seed: int, origin: Origin
) -> CitationRow | LeftOut:
    if useless := _useless(turn, cuts):
        return useless
    gold = _gold(turn, cuts[turn.doc_id])
    if len(gold) > passages:
        return _SEVERAL
    if len(cuts[turn.doc_id]) < passages:
        return _FEW_PASSAGES
    shown = [cut.passage for cut in _among(gold, cuts[turn.doc_id], passages, seed)]
    context = sentences_of(shown)
    numbers = _supporting(turn, gold, context)
    if not numbers:
        return _NO_SENTENCE
    return CitationRow(
        history=_history(turn),
        question=_said(turn.query).content,
        passages=tuple(shown),
        answer=quoted(context, numbers),
        origin=_origin(turn, origin, _slice(passages)),
    )


def _ranking(
    turn: AskedTurn, cuts: dict[str, tuple[Cut, ...]], passages: int, seed: int, origin: Origin
) -> RerankRow | LeftOut:
    if useless := _useless(turn, cuts):
        return useless
    if turn.history:
        return _FOLLOW_UP
    gold = _gold(turn, cuts[turn.doc_id])
    if not gold or len(gold) >= passages:
        return _SEVERAL if gold else _NO_SENTENCE
    if len(cuts[turn.doc_id]) < passages:
        return _FEW_PASSAGES
    shown = _among(gold, cuts[turn.doc_id], passages, seed)
    return RerankRow(
        question=_said(turn.query).content,
        passages=tuple(RankedPassage(**cut.passage.model_dump(), relevance=float(cut in gold)) for cut in shown),
        origin=_origin(turn, origin, _slice(passages)),
    )


def _among(gold: Sequence[Cut], cuts: Sequence[Cut], passages: int, seed: int) -> list[Cut]:
    """`gold` and others of its document, shuffled; the same for the same gold."""
    chance = draw(seed, "among", *(cut.passage.id for cut in gold))
    shown = [*gold, *chance.sample([cut for cut in cuts if cut not in gold], passages - len(gold))]
    chance.shuffle(shown)
    return shown


def _supporting(turn: AskedTurn, gold: Sequence[Cut], context: Context) -> list[int]:
    """Numbers of the sentences that share words with the grounding span, in the document's order."""
    start, end = turn.answer_start, turn.answer_start + len(turn.answer.rstrip())
    return [n for cut in gold for n in context.numbers(cut.passage.id, start - cut.start, end - cut.start)]


def _refusals(
    turn: AskedTurn, cuts: dict[str, tuple[Cut, ...]], unanswerable: bool, seed: int, origin: Origin
) -> Iterator[RefusalRow | LeftOut]:
    if useless := _useless(turn, cuts):
        yield useless
        return
    gold = _gold(turn, cuts[turn.doc_id])
    if len(gold) != 1:
        yield _SEVERAL if gold else _NO_SENTENCE
        return
    yield _refusal(turn, gold[0], _origin(turn, origin, "single"), Answerability.ANSWERABLE)
    others = [cut for cut in cuts[turn.doc_id] if cut not in gold]
    if unanswerable and others:
        made = _origin(turn, origin, "same_document").model_copy(update={"synthetic": True})
        yield _refusal(turn, draw(seed, "other", turn.id).choice(others), made, Answerability.UNANSWERABLE)
    elif unanswerable:
        yield _NO_OTHER


def _refusal(turn: AskedTurn, cut: Cut, origin: Origin, label: Answerability) -> RefusalRow:
    return RefusalRow(
        history=_history(turn),
        question=_said(turn.query).content,
        passages=(cut.passage,),
        label=label,
        answering=cut.passage.id if label is Answerability.ANSWERABLE else None,
        origin=origin,
    )


def _asked(turn: AskedTurn, before: Sequence[Turn]) -> AssistantRow:
    return AssistantRow(
        question=_said(turn.query).content, uri=turn.doc_id, answerable=True, history=(*before, *_history(turn))
    )


def _switched(
    dialogues: dict[str, list[AskedTurn]], titles: dict[str, str], seed: int
) -> Iterator[AssistantRow | LeftOut]:
    for name, turns in dialogues.items():
        others = [other for other, said in dialogues.items() if titles[said[0].doc_id] != titles[turns[0].doc_id]]
        if not others:
            yield from [LeftOut("no dialogue is about another page")] * len(turns)
            continue
        last = max(dialogues[draw(seed, "switch", name).choice(others)], key=lambda turn: len(turn.history))
        yield from (_asked(turn, (*_history(last), _said(last.query))) for turn in turns)


def _history(turn: AskedTurn) -> tuple[Turn, ...]:
    return tuple(map(_said, turn.history))


def _said(utterance: str) -> Turn:
    who, _, said = utterance.partition(":")
    return Turn(role="user" if who == "user" else "assistant", content=said.strip())


def _slice(passages: int) -> str:
    return "single" if passages == 1 else f"among_{passages}"


def _origin(turn: AskedTurn, origin: Origin, named: str) -> Origin:
    dialogue = turn.id.rpartition("_")[0]
    return origin.model_copy(update={"conversation": dialogue, "document": turn.doc_id, "slice": named})
