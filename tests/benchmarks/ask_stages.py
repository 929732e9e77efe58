"""Where the time of an answer goes, beside plain transformers on the same token ids in the same run.

    python -m tests.benchmarks.ask_stages "first question" "follow-up" [--out figures.json]

Reads the index of the settings (GROUNDSKEEPER_HOME). The questions are one conversation, asked cold (the process has
just started) and again warm. Every request that reached the engine is then given to plain transformers: `generate` for
what was written, one whole forward pass for what was scored. Seconds of wall time; no test reads it.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flows.settings import load_settings
from flows.wiring import open_search
from serving.assistant.engine import GenerateRequest, ScoreRequest
from serving.assistant.library import IndexLibrary
from serving.assistant.local_engine import LocalEngine, open_local_engine
from serving.assistant.pipeline import Assistant
from serving.assistant.running import Running
from serving.interface.behaviours import Behaviour
from serving.interface.turns import Turn
from serving.registry.models import prepare_model


class Recorder:
    """The local engine, keeping what it was asked and how long each request took."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self.identity, self.tokenizer, self.template = engine.identity, engine.tokenizer, engine.template
        self.generated: list[tuple[GenerateRequest, int, float]] = []
        self.scored: list[tuple[ScoreRequest, float]] = []

    def generate(self, request: GenerateRequest) -> Iterator[int]:
        began, count = time.perf_counter(), 0
        for token in self._engine.generate(request):
            count += 1
            yield token
        self.generated.append((request, count, time.perf_counter() - began))

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        scores = []
        for request in requests:
            began = time.perf_counter()
            scores += self._engine.score([request])
            self.scored.append((request, time.perf_counter() - began))
        return scores

    def load_adapter(self, name: str, folder: Path) -> None:
        self._engine.load_adapter(name, folder)

    def unload_adapter(self, name: str) -> None:
        self._engine.unload_adapter(name)

    def close(self) -> None:
        self._engine.close()


def main() -> None:
    options = _options()
    settings, figures = load_settings(), dict[str, Any]()
    began = time.perf_counter()
    with open_search(settings, _say) as desk:
        from retrieval.texts import TextArchive

        model = prepare_model(settings.base_model, settings.models)
        engine = Recorder(open_local_engine(model, threads=settings.threads))
        library = IndexLibrary(desk.reader, desk.encoder, TextArchive(settings.index_root, settings.texts_root))
        running = dict.fromkeys(Behaviour, Running("few_shot"))
        assistant = Assistant(engine, library, running, top_k=settings.answer_passages)
        figures["open_s"] = round(time.perf_counter() - began, 2)
        for temperature in ("cold", "warm"):
            figures[temperature] = _conversation(assistant, options.questions)
    figures["engine"] = _beside_transformers(engine, model.path)
    text = json.dumps(figures, indent=2)
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _conversation(assistant: Assistant, questions: Sequence[str]) -> list[dict[str, Any]]:
    history: list[Turn] = []
    rows = []
    for question in questions:
        began = time.perf_counter()
        first: list[float] = []
        answer = assistant.answer(question, history=history, on_text=lambda _, f=first: f.append(time.perf_counter()))
        total = time.perf_counter() - began
        rows.append(
            {
                "question": question,
                "text": answer.text,
                "timings_ms": answer.timings_ms,
                "first_text_ms": round((first[0] - began) * 1000, 1),
                "total_ms": round(total * 1000, 1),
            }
        )
        history += [Turn(role="user", content=question), Turn(role="assistant", content=answer.text)]
    return rows


def _beside_transformers(engine: Recorder, folder: Path) -> dict[str, Any]:
    """The same token ids through plain transformers, without any reuse."""
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ours_written = theirs_written = ours_scored = theirs_scored = 0.0
    with torch.inference_mode():
        for request, count, seconds in engine.generated:
            ids, began = torch.tensor([request.prompt]), time.perf_counter()
            network.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=max(count, 1), pad_token_id=0
            )
            ours_written, theirs_written = ours_written + seconds, theirs_written + time.perf_counter() - began
        for scored, seconds in engine.scored:
            began = time.perf_counter()
            network(torch.tensor([scored.prompt]), logits_to_keep=1)
            ours_scored, theirs_scored = ours_scored + seconds, theirs_scored + time.perf_counter() - began
    return {
        "written": {"requests": len(engine.generated), "ours_s": ours_written, "transformers_s": theirs_written},
        "scored": {"requests": len(engine.scored), "ours_s": ours_scored, "transformers_s": theirs_scored},
        "prompt_tokens": sum(len(r.prompt) for r, *_ in engine.generated)
        + sum(len(r.prompt) for r, _ in engine.scored),
    }


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Stage times of answers beside plain transformers.")
    parser.add_argument("questions", nargs="+", help="one conversation")
    parser.add_argument("--out", type=Path, help="where to write the figures as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
