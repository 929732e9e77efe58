"""A question's way to its answer, on one page.

    rewrite -> search -> rerank -> answerable? -> answer, each sentence checked for support

`Assistant.answer` tells it top to bottom. The engine writes and scores tokens, the library finds passages; what text
means is decided by `serving.interface` alone, and each behaviour's step is the module of its name in this room.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from retrieval.documents import Passage
from serving.assistant.answer import Answer, Citation, Versions
from serving.assistant.asked import Asked
from serving.assistant.citation import answer_sentences, cite
from serving.assistant.engine import Engine
from serving.assistant.errors import CitationUnresolved, QuestionEmpty
from serving.assistant.library import Library, Query
from serving.assistant.prompting import Prompter
from serving.assistant.query_rewrite import rewrite
from serving.assistant.quoting import scores_as_evidence
from serving.assistant.refusal import calibration, reason_to_refuse
from serving.assistant.reranker import Reranker
from serving.assistant.reranking import POOL, reranking
from serving.assistant.running import Running
from serving.assistant.shown import Found, find
from serving.assistant.trace import Trace
from serving.interface.behaviours import Behaviour
from serving.interface.context import build_context
from serving.interface.fingerprint import contract_digest
from serving.interface.refusal import Reason, refusal_text
from serving.interface.turns import Turn

__all__ = ["Assistant"]


class Assistant:
    """Answers questions from one library with one engine."""

    def __init__(
        self,
        engine: Engine,
        library: Library,
        running: Mapping[Behaviour, Running],
        *,
        reranker: Reranker | None = None,
        top_k: int = 5,
        clock: Callable[[], float] = time.perf_counter,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """`running` says for each behaviour which adapter it runs, or how it runs without one.

        `reranker`: of the version that `running` names, None where the search's order stands. The best `top_k` passages
        are judged and shown to the model. `clock` returns seconds. Raises `CalibrationMissing`.
        """
        calibration(running[Behaviour.REFUSAL])  # better refused here than at the first question
        self._reranking = reranking(reranker, running[Behaviour.RERANK])
        self._engine, self._library, self._running, self._top_k = engine, library, dict(running), top_k
        self._clock, self._new_id = clock, new_id
        self._prompter = Prompter(engine)
        self._contract = contract_digest(engine.template)

    def answer(
        self,
        question: str,
        *,
        history: Sequence[Turn] = (),
        seed: int = 0,
        on_text: Callable[[str], None] = lambda text: None,
        on_stage: Callable[[str], None] = lambda stage: None,
        on_found: Callable[[Sequence[Passage]], None] = lambda passages: None,
    ) -> Answer:
        """The answer to `question`: cited, or refused.

        `on_text` receives the text piece by piece as it is verified (joined, the answer's text); `on_stage` the name
        of each stage as it begins; `on_found` the passages that may be cited, best first. Raises `QuestionEmpty`,
        `QuestionTooLong`, and what engine and library raise.
        """
        if not question.strip():
            raise QuestionEmpty("The question is empty.", remedy="Ask a question in words.")
        asked = Asked(question.strip(), tuple(history), seed, Trace(self._clock, on_stage), on_text)
        query = self._rewrite(asked)
        found = self._find(asked, query)
        on_found([hit.passage for hit in found.shelf.hits])
        reason = self._judge(asked, query, found)
        if reason is None:
            text, citations = self._write(asked, query, found)
            if citations:
                return self._answer(asked, query, found, text, citations)
            reason = Reason.UNSUPPORTED
        return self._refuse(asked, query, found, reason)

    def _rewrite(self, asked: Asked) -> Query:
        with asked.trace.stage("rewrite"):
            return rewrite(self._prompter, self._running[Behaviour.QUERY_REWRITE], asked, self._library)

    def _find(self, asked: Asked, query: Query) -> Found:
        with asked.trace.stage("search"):
            found = find(self._library, query, max(self._top_k, POOL) if self._reranking else self._top_k)
        with asked.trace.stage("rerank"):
            return self._reranking.best(found, query, self._top_k) if self._reranking else found

    def _judge(self, asked: Asked, query: Query, found: Found) -> Reason | None:
        with asked.trace.stage("answerable"):
            running = self._running[Behaviour.REFUSAL]
            return reason_to_refuse(self._prompter, running, asked, query, found, self._library)

    def _write(self, asked: Asked, query: Query, found: Found) -> tuple[str, list[Citation]]:
        """The text of the supported sentences and their citations, given out as they are ready."""
        context = build_context(found.passages, self._prompter.count)
        passages = {hit.passage.id: hit.passage for hit in found.shelf.hits}
        running = self._running[Behaviour.CITATION]
        text, citations = "", list[Citation]()
        with asked.trace.stage("answer"):
            evidence = scores_as_evidence(query, context, self._library)
        sentences = answer_sentences(self._prompter, running, asked, context, evidence, self._library.terms)
        for supported in sentences:
            piece = (" " if text else "") + supported.text
            at = len(text) + len(piece) - len(supported.text)
            citations += self._resolved(found.shelf.generation, cite(supported, at, context, passages))
            asked.on_text(piece)
            text += piece
        return text, citations

    def _resolved(self, generation: int, citations: list[Citation]) -> list[Citation]:
        """The citations, after a look at the stored text: what a client will be shown is what we quote."""
        for citation in citations:
            stored = self._library.stored_text(generation, citation.document_id)
            if stored[citation.source_start : citation.source_end] != citation.quote:
                raise CitationUnresolved(
                    f"The passage {citation.passage_id} is not what {citation.uri} holds at its place.",
                    remedy="Run `groundskeeper refresh`; if this comes again, delete the index folder and refresh.",
                )
        return citations

    def _refuse(self, asked: Asked, query: Query, found: Found, reason: Reason) -> Answer:
        text = refusal_text(reason, [passage.title for passage in found.passages])
        asked.on_text(text)
        return self._answer(asked, query, found, text, [], reason)

    def _answer(
        self,
        asked: Asked,
        query: Query,
        found: Found,
        text: str,
        citations: Sequence[Citation],
        reason: Reason | None = None,
    ) -> Answer:
        identity = self._engine.identity
        return Answer(
            answer_id=self._new_id(),
            text=text,
            refused=reason is not None,
            refusal_reason=reason,
            query=query.text,
            citations=tuple(citations),
            versions=Versions(
                generation=found.shelf.generation,
                contract=self._contract,
                base_model=f"{identity.base_model}@{identity.weights_digest[:12]}",
                adapters={str(behaviour): running.mode for behaviour, running in self._running.items()},
            ),
            timings_ms=asked.trace.timings_ms,
        )
