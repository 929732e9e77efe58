"""The embedded engine: transformers and PEFT in this process, one base model, many adapters.

Covered: greedy output equals `model.generate`, prompts that begin alike are computed once, any thread may
call, requests take turns token by token. Not covered: batching. On few cores one prompt keeps them all busy
(measured: five prompts in one batch took no less processor time than one after another).

    engine = open_local_engine(prepare_model("package:...", models_root))
    tokens = list(engine.generate(GenerateRequest(prompt=..., max_new_tokens=64, stop=(...,))))
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from serving.assistant.engine import EngineIdentity, GenerateRequest, ScoreRequest
from serving.assistant.errors import EngineUnavailable, PromptTooLong
from serving.assistant.local_adapters import LocalAdapters
from serving.assistant.prefix_cache import KeysValues, PrefixCache
from serving.registry.models import ModelFolder
from serving.registry.tokenizer import open_template, open_tokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from serving.interface.segments import Tokenizer
    from serving.interface.template import ChatTemplate

__all__ = ["LocalEngine", "open_local_engine"]


def open_local_engine(
    model: ModelFolder, *, threads: int | None = None, prefix_cache_tokens: int = 8192
) -> LocalEngine:
    """Load a base model, in float32, and be ready to answer.

    `threads`: processor threads of the whole process (None: torch's choice). `prefix_cache_tokens`: tokens
    whose attention state is kept for prompts to come, 46 kB each for 135 million weights; 0 keeps none.
    Raises `EngineUnavailable` when the libraries or the weights cannot be loaded, `ModelRefused` when the
    tokenizer or the chat template cannot carry the contract.
    """
    tokenizer, template = open_tokenizer(model.path), open_template(model.path)
    network = _load(model, threads)
    identity = EngineIdentity(
        engine="local",
        base_model=model.reference,
        weights_digest=model.weights_digest,
        tokenizer_digest=model.tokenizer_digest,
        context_length=int(network.config.max_position_embeddings),
    )
    return LocalEngine(network, identity, tokenizer, template, prefix_cache_tokens=prefix_cache_tokens)


class LocalEngine:
    """`serving.assistant.engine.Engine` in process."""

    def __init__(
        self,
        network: Any,
        identity: EngineIdentity,
        tokenizer: Tokenizer,
        template: ChatTemplate,
        *,
        prefix_cache_tokens: int,
    ) -> None:
        """`network`: a causal language model of transformers in evaluation mode."""
        self.identity = identity
        self.tokenizer = tokenizer
        self.template = template
        self._adapters = LocalAdapters(network)
        self._prefixes = PrefixCache(prefix_cache_tokens)
        self._lock = threading.RLock()
        self._closed = False

    def generate(self, request: GenerateRequest) -> Iterator[int]:
        """See `Engine.generate`; the seed alone decides what a temperature above 0 draws."""
        self._admit(request.adapter, len(request.prompt) + request.max_new_tokens)
        return self._tokens(request)

    def score(self, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        """See `Engine.score`. Put requests that begin alike next to each other: their beginning is shared."""
        for request in requests:
            longest = max((len(c) for c in request.continuations), default=0)
            self._admit(request.adapter, len(request.prompt) + longest)
        with ExitStack() as sessions:  # all at once: an adapter that is unloaded meanwhile finishes them all
            keys = [sessions.enter_context(self._session(request.adapter)) for request in requests]
            return [self._log_probabilities(key, request) for key, request in zip(keys, requests, strict=True)]

    def load_adapter(self, name: str, folder: Path) -> None:
        """See `Engine.load_adapter`."""
        with self._lock:
            self._require_open()
            self._adapters.load(name, folder)

    def unload_adapter(self, name: str) -> None:
        """See `Engine.unload_adapter`."""
        with self._lock:
            self._require_open()
            self._prefixes.forget(self._adapters.key(name))
            self._adapters.unload(name)

    def close(self) -> None:
        """See `Engine.close`."""
        with self._lock:
            self._closed = True
            self._prefixes.clear()
            self._adapters = LocalAdapters(None)

    def _admit(self, adapter: str | None, tokens: int) -> None:
        """Refuse what cannot be done before anything is computed."""
        with self._lock:
            self._require_open()
            self._adapters.key(adapter)
        if tokens > self.identity.context_length:
            raise PromptTooLong(
                f"Prompt and answer need {tokens} tokens; the base model holds {self.identity.context_length}.",
                remedy="Ask for a shorter answer, or give fewer or shorter passages or less history.",
            )

    def _require_open(self) -> None:
        if self._closed:
            raise EngineUnavailable("The engine was closed.", remedy="Open it again.")

    @contextmanager
    def _session(self, adapter: str | None) -> Iterator[str | None]:
        """Holds an adapter's weights for one request, not the lock: requests take turns at each forward pass."""
        with self._lock:
            self._require_open()
            adapters = self._adapters
            key = adapters.acquire(adapter)
        try:
            yield key
        finally:
            with self._lock:
                adapters.release(key)

    def _tokens(self, request: GenerateRequest) -> Iterator[int]:
        choose = _chooser(request.temperature, request.seed)
        with self._session(request.adapter) as key:
            logits, past = self._read(key, request.prompt)
            for remaining in reversed(range(request.max_new_tokens)):
                token = choose(logits)
                if token in request.stop:
                    return
                yield token
                if remaining:
                    logits = self._forward(key, [[token]], past, keep=1)[0, -1]

    def _log_probabilities(self, key: str | None, request: ScoreRequest) -> tuple[float, ...]:
        logits, past = self._read(key, request.prompt)
        first = logits.log_softmax(-1)
        # Each continuation but its last token is run; what the last one leads to is not asked.
        tails = sorted({c[:-1] for c in request.continuations if len(c) > 1})
        later = self._after_tails(key, tails, past) if tails else None
        totals = []
        for continuation in request.continuations:
            total = float(first[continuation[0]])
            if later is not None and len(continuation) > 1:
                row = later[tails.index(continuation[:-1])]
                total += sum(float(row[i, token]) for i, token in enumerate(continuation[1:]))
            totals.append(total)
        return tuple(totals)

    def _after_tails(self, key: str | None, tails: list[tuple[int, ...]], past: Any) -> Tensor:
        """Log-probabilities [tails, longest tail, vocabulary] of what follows each token of each tail."""
        width = max(map(len, tails))
        # What is filled up with comes after what is asked about, where attention does not look.
        rows = [[*tail, *[0] * (width - len(tail))] for tail in tails]
        past.batch_repeat_interleave(len(tails))
        return self._forward(key, rows, past, keep=0).log_softmax(-1)

    def _read(self, key: str | None, prompt: Sequence[int]) -> tuple[Tensor, Any]:
        """Logits [vocabulary] after the prompt, and the state (a transformers cache) to go on from."""
        with self._lock:
            self._require_open()
            known, layers = self._prefixes.longest(key, prompt)
            past = _state(self._adapters.model.config, layers)
            logits = self._forward(key, [list(prompt[known:])], past, keep=1)[0, -1]
            if kept := _reusable(past):
                self._prefixes.keep(key, prompt, kept)
        return logits, past

    def _forward(self, key: str | None, rows: list[list[int]], past: Any, *, keep: int) -> Tensor:
        """Logits [rows, kept, vocabulary] of the last `keep` positions (0: all); `past` grows by the rows."""
        import torch

        with self._lock, torch.inference_mode():
            self._require_open()
            self._adapters.activate(key)
            output = self._adapters.model(
                input_ids=torch.tensor(rows), past_key_values=past, use_cache=True, logits_to_keep=keep
            )
            logits: Tensor = output.logits.float()
        return logits


def _load(model: ModelFolder, threads: int | None) -> Any:
    try:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM
    except ImportError as error:
        raise EngineUnavailable(
            f"The local engine needs a library that is not installed: {error.name}.",
            remedy="Run: pip install 'groundskeeper[serving]'",
        ) from error
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(model.path),
            dtype=torch.float32,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise EngineUnavailable(
            f"The base model {model.reference} cannot be loaded: {error}",
            remedy="Use a causal language model that the installed transformers supports.",
        ) from error
    network, info = loaded
    # transformers would go on with random values in their place.
    if absent := sorted(info["missing_keys"]):
        raise EngineUnavailable(
            f"The base model {model.reference} lacks {len(absent)} of its weights, e.g. {absent[0]}.",
            remedy="Fetch or copy the whole model.",
        )
    return network.eval()


def _state(config: Any, layers: KeysValues) -> Any:
    """A transformers cache that begins with `layers`. They are only read: it grows by making new tensors."""
    from transformers import DynamicCache

    past: Any = DynamicCache(config=config)
    for layer, (keys, values) in zip(past.layers, layers, strict=False):
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
    return past


def _reusable(past: Any) -> KeysValues:
    """What a later prompt may begin with; nothing for layers that forget (sliding windows)."""
    from transformers.cache_utils import DynamicLayer

    if any(type(layer) is not DynamicLayer for layer in past.layers):
        return ()
    return tuple((layer.keys, layer.values) for layer in past.layers)


def _chooser(temperature: float, seed: int) -> Callable[[Tensor], int]:
    """From logits [vocabulary] to the next token: the likeliest, or a draw that the seed decides."""
    import torch

    if temperature == 0:
        return lambda logits: int(logits.argmax())
    generator = torch.Generator().manual_seed(seed)

    def draw(logits: Tensor) -> int:
        return int(torch.multinomial((logits / temperature).softmax(-1), 1, generator=generator))

    return draw
