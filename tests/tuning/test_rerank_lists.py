"""What the reranker's loss is given: each row once an epoch, a best passage and worse ones, drawn by the seed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tuning.rerank_lists import training_lists
from tuning.rows import RankedPassage, RerankRow

relevances = st.lists(st.sampled_from([0.0, 0.3, 1.0]), min_size=1, max_size=6)


def row(number: int, relevance: list[float]) -> RerankRow:
    passages = [RankedPassage(id=str(i), text=f"Passage {number} {i}.", relevance=r) for i, r in enumerate(relevance)]
    return RerankRow(question=f"Question {number}?", passages=tuple(passages))


@given(st.lists(relevances, max_size=5), st.integers(2, 8), st.integers(1, 3), st.integers(0, 9))
def test_each_epoch_compares_the_best_of_every_row_with_worse_ones(
    given: list[list[float]], passages: int, epochs: int, seed: int
) -> None:
    rows = [row(n, relevance) for n, relevance in enumerate(given)]
    teaching = [one for one in rows if len({passage.relevance for passage in one.passages}) > 1]
    lists = training_lists(rows, passages=passages, epochs=epochs, seed=seed)
    for epoch in range(epochs):
        part = lists[epoch * len(teaching) : (epoch + 1) * len(teaching)]
        assert sorted(one.question for one in part) == sorted(one.question for one in teaching)
    for one in lists:
        source = next(r for r in rows if r.question == one.question)
        relevance = {passage.text: passage.relevance for passage in source.passages}
        highest = max(relevance.values())
        assert [relevance[text] for text in one.passages] == list(one.targets)
        assert one.targets.count(highest) == 1
        assert 2 <= len(one.passages) <= passages
        assert [len(text) for text in one.passages] == sorted(len(text) for text in one.passages)


def test_another_epoch_and_another_seed_draw_other_passages() -> None:
    rows = [row(0, [1.0, *[0.0] * 30])]
    first, second = training_lists(rows, passages=4, epochs=2, seed=0)
    (other,) = training_lists(rows, passages=4, epochs=1, seed=1)
    assert len({first.passages, second.passages, other.passages}) == 3
    assert training_lists(rows, passages=4, epochs=2, seed=0) == [first, second]


def test_a_passage_is_read_as_the_contract_builds_it() -> None:
    best = RankedPassage(id="a", text="## Tasks\n\nRun [this](x.md).", title="Guide", relevance=1.0)
    worse = RankedPassage(id="b", text="Something else altogether.", relevance=0.0)
    (one,) = training_lists([RerankRow(question=" How? ", passages=(best, worse))], passages=2, epochs=1, seed=0)
    assert (one.question, one.passages) == ("How?", ("Guide\nRun this.", "Something else altogether."))
