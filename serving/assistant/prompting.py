"""From the contract's messages to an engine and back: the one place where the pipeline meets tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from serving.assistant.engine import Engine, GenerateRequest, ScoreRequest
from serving.interface.segments import Message
from serving.interface.template import prompt_ids, stop_id

__all__ = ["Prompter"]


class Prompter:
    """Writes and scores texts with an engine, in the contract's form."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = stop_id(engine.template, engine.tokenizer)

    def count(self, text: str) -> int:
        """Tokens of `text` as data."""
        return len(self._engine.tokenizer.encode_data(text))

    def write(
        self, messages: Sequence[Message], *, adapter: str | None, max_new_tokens: int, seed: int
    ) -> Iterator[str]:
        """The growing text of a greedy answer: each item is the whole text so far."""
        request = GenerateRequest(self._ids(messages), max_new_tokens, (self._stop,), adapter=adapter, seed=seed)
        written: list[int] = []
        for token in self._engine.generate(request):
            written.append(token)
            yield self._engine.tokenizer.decode(written)

    def write_all(self, messages: Sequence[Message], *, adapter: str | None, max_new_tokens: int, seed: int) -> str:
        """The whole text of a greedy answer."""
        texts = list(self.write(messages, adapter=adapter, max_new_tokens=max_new_tokens, seed=seed))
        return texts[-1] if texts else ""

    def score(
        self, prompts: Sequence[Sequence[Message]], words: Sequence[str], *, adapter: str | None
    ) -> list[tuple[float, ...]]:
        """Natural log-probability of each of `words` as the whole answer's beginning, per prompt."""
        continuations = tuple(tuple(self._engine.tokenizer.encode_data(word)) for word in words)
        return self._engine.score([ScoreRequest(self._ids(p), continuations, adapter) for p in prompts])

    def score_beginnings(
        self, messages: Sequence[Message], texts: Sequence[str], *, tokens: int, adapter: str | None
    ) -> tuple[float, ...]:
        """Natural log-probability that an answer begins with the first `tokens` tokens of each text."""
        beginnings = tuple(tuple(self._engine.tokenizer.encode_data(text)[:tokens]) for text in texts)
        return self._engine.score([ScoreRequest(self._ids(messages), beginnings, adapter)])[0]

    def _ids(self, messages: Sequence[Message]) -> tuple[int, ...]:
        return tuple(prompt_ids(messages, self._engine.template, self._engine.tokenizer))
