"""The local engine's mechanisms, on a tiny Llama with random weights."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.assistant.engine import Engine, GenerateRequest, ScoreRequest
from serving.assistant.errors import AdapterRefused, AdapterUnknown, EngineUnavailable, PromptTooLong
from serving.assistant.local_engine import LocalEngine, open_local_engine
from serving.registry.models import ModelFolder
from tests.serving.assistant.tiny_model import CONTEXT, write_adapter, write_tiny_model

pytestmark = pytest.mark.filterwarnings(
    # transformers calls a name of its own that it has deprecated
    "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
)

PROMPT = tuple(range(10, 60))
TOKENS = st.integers(min_value=3, max_value=258)
PROMPTS = st.lists(TOKENS, min_size=1, max_size=40).map(tuple)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads only get in each other's way in so small a model."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def adapters(tiny: ModelFolder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("adapters")
    return {f"refusal@{seed}.0": write_adapter(tiny.path, root / str(seed), seed=seed) for seed in (1, 2)}


@pytest.fixture
def engine(tiny: ModelFolder) -> Iterator[LocalEngine]:
    engine = open_local_engine(tiny, prefix_cache_tokens=200)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def network(tiny: ModelFolder) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(str(tiny.path)).eval()


def greedy(engine: Engine, prompt: tuple[int, ...] = PROMPT, *, n: int = 20, **options: Any) -> list[int]:
    return list(engine.generate(GenerateRequest(prompt, n, options.pop("stop", ()), **options)))


def reference(network: Any, prompt: tuple[int, ...], n: int = 20) -> list[int]:
    """What transformers' own generate writes."""
    import torch

    ids = torch.tensor([prompt])
    output = network.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=n, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    return [int(token) for token in output[0, len(prompt) :]]


def naive_score(network: Any, prompt: tuple[int, ...], continuation: tuple[int, ...]) -> float:
    import torch

    ids = torch.tensor([[*prompt, *continuation]])
    with torch.inference_mode():
        after = network(input_ids=ids).logits[0].log_softmax(-1)
    return sum(float(after[len(prompt) - 1 + i, token]) for i, token in enumerate(continuation))


def test_it_says_what_runs(engine: LocalEngine, tiny: ModelFolder):
    assert engine.identity.engine == "local"
    assert engine.identity.base_model == "./tiny"
    assert (engine.identity.weights_digest, engine.identity.tokenizer_digest) == ("w" * 64, "t" * 64)
    assert engine.identity.context_length == CONTEXT
    assert engine.template.eos_token == "<|im_end|>"


@settings(max_examples=15, deadline=None)
@given(prompt=PROMPTS)
def test_greedy_tokens_are_those_of_generate(tiny_engine: LocalEngine, network: Any, prompt: tuple[int, ...]):
    assert greedy(tiny_engine, prompt) == reference(network, prompt)


@settings(max_examples=15, deadline=None)
@given(prompt=PROMPTS, continuations=st.lists(st.lists(TOKENS, min_size=1, max_size=5).map(tuple), max_size=4))
def test_scores_are_those_of_a_plain_forward_pass(
    tiny_engine: LocalEngine, network: Any, prompt: tuple[int, ...], continuations: list[tuple[int, ...]]
):
    [scores] = tiny_engine.score([ScoreRequest(prompt, tuple(continuations))])
    assert scores == pytest.approx([naive_score(network, prompt, c) for c in continuations], abs=1e-4)


@pytest.fixture(scope="module")
def tiny_engine(tiny: ModelFolder) -> Iterator[LocalEngine]:
    """One engine for all examples of a property, so that later ones meet a cache full of earlier ones."""
    engine = open_local_engine(tiny, prefix_cache_tokens=100)
    yield engine
    engine.close()


def test_scores_come_in_the_order_of_requests_and_continuations(engine: LocalEngine, network: Any):
    prompts = [(*PROMPT, extra) for extra in (70, 80, 90)]
    scores = engine.score([ScoreRequest(p, ((5,), (6, 7), (5,))) for p in prompts])
    expected = [tuple(naive_score(network, p, c) for c in ((5,), (6, 7), (5,))) for p in prompts]
    assert [pytest.approx(row, abs=1e-4) for row in expected] == scores


def test_the_stop_token_ends_the_answer_and_is_not_part_of_it(engine: LocalEngine):
    whole = greedy(engine)
    position = next(i for i, token in enumerate(whole) if token not in whole[:i] and i > 2)
    assert greedy(engine, stop=(whole[position],)) == whole[:position]


def test_a_shared_beginning_is_computed_once_and_changes_nothing(engine: LocalEngine, tiny: ModelFolder):
    plain = open_local_engine(tiny, prefix_cache_tokens=0)
    widths = watch_widths(engine)
    for ending in ((200, 201), (202,), (200, 201, 203)):
        assert greedy(engine, (*PROMPT, *ending), n=1) == greedy(plain, (*PROMPT, *ending), n=1)
    assert widths == [52, 1, 1]


def test_scores_with_and_without_reuse_differ_by_rounding_only(engine: LocalEngine, tiny: ModelFolder):
    requests = [ScoreRequest((*PROMPT, *range(i, i + 20)), ((7,), (8, 9))) for i in (3, 4, 60)]
    plain = open_local_engine(tiny, prefix_cache_tokens=0).score(requests)
    assert engine.score(requests) == [pytest.approx(row, abs=1e-4) for row in plain]


def test_an_answer_does_not_spoil_the_state_it_began_with(engine: LocalEngine):
    first = greedy(engine)
    assert [greedy(engine) for _ in range(3)] == [first] * 3


def test_the_same_seed_draws_the_same_tokens_whatever_ran_before(engine: LocalEngine):
    drawn = greedy(engine, temperature=1.0, seed=5)
    greedy(engine, temperature=1.0, seed=6)
    assert greedy(engine, temperature=1.0, seed=5) == drawn
    assert greedy(engine, temperature=1.0, seed=6) != drawn


def test_a_low_temperature_draws_the_likeliest_tokens(engine: LocalEngine):
    assert greedy(engine, temperature=1e-6, seed=5) == greedy(engine)


def test_closing_the_iterator_computes_nothing_more(engine: LocalEngine):
    widths = watch_widths(engine)
    answer = engine.generate(GenerateRequest(PROMPT, 50, ()))
    list(islice(answer, 3))
    answer.close()  # type: ignore[attr-defined]
    assert len(widths) == 3
    assert list(answer) == []


def test_the_last_token_is_not_run_through_the_model(engine: LocalEngine):
    widths = watch_widths(engine)
    greedy(engine, n=4)
    assert widths == [50, 1, 1, 1]


@pytest.mark.parametrize("excess", [1, 1000])
def test_a_prompt_beyond_the_context_is_refused_before_anything_runs(engine: LocalEngine, excess: int):
    fits = CONTEXT - len(PROMPT)
    with pytest.raises(PromptTooLong, match=f"need {CONTEXT + excess} tokens; the base model holds {CONTEXT}"):
        engine.generate(GenerateRequest(PROMPT, fits + excess, ()))
    with pytest.raises(PromptTooLong):
        engine.score([ScoreRequest(PROMPT, ((1,) * (fits + excess),))])


def test_the_whole_context_can_be_used(engine: LocalEngine):
    assert len(greedy(engine, n=CONTEXT - len(PROMPT))) == CONTEXT - len(PROMPT)


@pytest.mark.parametrize(
    "make",
    [
        lambda: GenerateRequest((), 5, ()),
        lambda: GenerateRequest((1,), 0, ()),
        lambda: GenerateRequest((1,), 5, (), temperature=-0.1),
        lambda: ScoreRequest((), ((1,),)),
        lambda: ScoreRequest((1,), ((1,), ())),
    ],
    ids=["no prompt", "no new token", "cold", "nothing to score after", "empty continuation"],
)
def test_a_request_without_sense_cannot_be_made(make: Any):
    with pytest.raises(ValueError, match="request needs"):
        make()


def test_each_request_runs_under_its_own_adapter(engine: LocalEngine, adapters: dict[str, Path]):
    base = greedy(engine)
    for name, folder in adapters.items():
        engine.load_adapter(name, folder)
    alone = {name: greedy(engine, adapter=name) for name in adapters}
    assert len({tuple(tokens) for tokens in [base, *alone.values()]}) == 3
    assert greedy(engine) == base
    assert {name: greedy(engine, adapter=name) for name in reversed(adapters)} == alone


def test_an_adapter_computes_what_peft_computes(engine: LocalEngine, tiny: ModelFolder, adapters: dict[str, Path]):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    for name, folder in adapters.items():
        engine.load_adapter(name, folder)
        network = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(str(tiny.path)), str(folder)).eval()
        assert greedy(engine, adapter=name) == reference(network, PROMPT)
        assert engine.score([ScoreRequest(PROMPT, ((7, 8),), adapter=name)])[0] == pytest.approx(
            (naive_score(network, PROMPT, (7, 8)),), abs=1e-4
        )


def test_interleaved_answers_do_not_touch_each_other(engine: LocalEngine, adapters: dict[str, Path]):
    names: list[str | None] = [None, *adapters]
    for name, folder in adapters.items():
        engine.load_adapter(name, folder)
    alone = [greedy(engine, adapter=name) for name in names]
    answers = [engine.generate(GenerateRequest(PROMPT, 20, (), adapter=name)) for name in names]
    turns = list(zip(*answers, strict=True))
    assert [list(tokens) for tokens in zip(*turns, strict=True)] == alone


def test_threads_get_their_own_answers(engine: LocalEngine, adapters: dict[str, Path]):
    names: list[str | None] = [None, *adapters]
    for name, folder in adapters.items():
        engine.load_adapter(name, folder)
    alone = {name: greedy(engine, adapter=name) for name in names}
    found: list[bool] = []

    def ask(name: str | None) -> None:
        found.append(greedy(engine, adapter=name) == alone[name])

    threads = [threading.Thread(target=ask, args=(name,)) for name in names * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 9


def test_an_unloaded_adapter_finishes_what_it_began_and_takes_nothing_new(
    engine: LocalEngine, adapters: dict[str, Path]
):
    name, folder = next(iter(adapters.items()))
    engine.load_adapter(name, folder)
    whole = greedy(engine, adapter=name)
    answer = engine.generate(GenerateRequest(PROMPT, 20, (), adapter=name))
    begun = list(islice(answer, 5))
    engine.unload_adapter(name)
    with pytest.raises(AdapterUnknown, match="loaded are: none"):
        greedy(engine, adapter=name)
    assert begun + list(answer) == whole
    engine.load_adapter(name, folder)
    assert greedy(engine, adapter=name) == whole


def test_unloading_every_adapter_leaves_the_bare_base(engine: LocalEngine, adapters: dict[str, Path], network: Any):
    for name, folder in adapters.items():
        engine.load_adapter(name, folder)
    for name in adapters:
        engine.unload_adapter(name)
        assert greedy(engine) == reference(network, PROMPT)
    with pytest.raises(AdapterUnknown):
        engine.unload_adapter("refusal@1.0")


def test_a_name_stands_for_one_adapter(engine: LocalEngine, adapters: dict[str, Path]):
    first, second = adapters.values()
    engine.load_adapter("refusal@1", first)
    engine.load_adapter("refusal@1", first)
    with pytest.raises(AdapterRefused, match="already stands for"):
        engine.load_adapter("refusal@1", second)


def without_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")


def without_config(folder: Path) -> None:
    (folder / "adapter_config.json").unlink()


def with_broken_config(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{", "utf-8")


def for_other_layers(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(
        path.read_text("utf-8").replace("q_proj", "query_key_value").replace("v_proj", "w").replace("down_proj", "u")
    )


def for_more_layers(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(path.read_text("utf-8").replace("v_proj", "o_proj"))


def for_a_layer_that_takes_none(folder: Path) -> None:
    """PEFT finds that out when it has changed layers before it."""
    path = folder / "adapter_config.json"
    path.write_text(path.read_text("utf-8").replace("down_proj", "input_layernorm"))


def for_layers_of_no_pattern(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"target_modules": "("}))


def of_another_rank(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(path.read_text("utf-8").replace('"r": 4', '"r": 8'))


def torn(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.filterwarnings("ignore:Found missing adapter keys:UserWarning")
@pytest.mark.parametrize(
    "damage",
    [
        *(without_weights, without_config, with_broken_config, for_other_layers, for_more_layers),
        *(for_a_layer_that_takes_none, for_layers_of_no_pattern, of_another_rank, torn),
    ],
    ids=lambda damage: damage.__name__,
)
@pytest.mark.parametrize("beside_another", [False, True], ids=["alone", "beside another"])
def test_an_adapter_that_does_not_fit_is_refused_and_leaves_no_trace(
    engine: LocalEngine, adapters: dict[str, Path], tmp_path: Path, damage: Any, beside_another: bool
):
    name, folder = next(iter(adapters.items()))
    if beside_another:
        engine.load_adapter(name, folder)
    present = name if beside_another else None
    expected = greedy(engine, n=5), greedy(engine, n=5, adapter=present)
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    damage(broken)
    with pytest.raises(AdapterRefused):
        engine.load_adapter("broken@1", broken)
    assert (greedy(engine, n=5), greedy(engine, n=5, adapter=present)) == expected
    with pytest.raises(AdapterUnknown):
        greedy(engine, adapter="broken@1")


def with_settings(folder: Path, **settings: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | settings), "utf-8")


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("init_lora_weights", value) for value in ("pissa", "pissa_niter_4", "olora", "corda", "lora_ga")),
        *(("bias", value) for value in ("all", "lora_only")),
        *(("kasa_config", {}), ("layer_replication", [[0, 2], [1, 2]])),
        *(("alora_invocation_tokens", [5, 6]), ("arrow_config", {})),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(CorDA config|aLoRA):UserWarning")
def test_an_adapter_that_changes_the_base_or_how_it_runs_is_refused_by_name_and_leaves_the_base_alone(
    engine: LocalEngine, adapters: dict[str, Path], tmp_path: Path, setting: str, value: Any
):
    folder = Path(shutil.copytree(next(iter(adapters.values())), tmp_path / "special"))
    with_settings(folder, **{setting: value})
    before = greedy(engine, n=5)
    with pytest.raises(AdapterRefused, match=f"{setting} .*changes the base model itself, or how it is run") as caught:
        engine.load_adapter("special@1", folder)
    assert "path_initial_model_for_weight_conversion" in caught.value.remedy
    assert greedy(engine, n=5) == before


def test_an_adapter_of_loftq_is_refused_by_name(engine: LocalEngine, adapters: dict[str, Path], tmp_path: Path):
    folder = Path(shutil.copytree(next(iter(adapters.values())), tmp_path / "special"))
    with_settings(folder, init_lora_weights="loftq", loftq_config={"loftq_bits": 4, "loftq_iter": 1})
    with pytest.raises(AdapterRefused, match="init_lora_weights 'loftq'"):
        engine.load_adapter("special@1", folder)


@pytest.mark.parametrize(
    "options",
    [
        *({"init_lora_weights": value} for value in (True, False, "gaussian", "eva", "orthogonal", "mica")),
        *({"use_dora": True}, {"use_rslora": True}, {"modules_to_save": ["lm_head"]}),
        *({"rank_pattern": {"q_proj": 8}}, {"alpha_pattern": {"q_proj": 32}}),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*eva:UserWarning")
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_other_kinds_of_lora_run_as_they_were_trained(
    engine: LocalEngine, adapters: dict[str, Path], tiny: ModelFolder, tmp_path: Path, options: dict[str, Any]
):
    trained = train_adapter(tiny.path, tmp_path / "trained", **options)
    name, folder = next(iter(adapters.items()))
    engine.load_adapter(name, folder)
    before = greedy(engine, n=5), greedy(engine, n=5, adapter=name)
    engine.load_adapter("other@1", tmp_path / "trained")
    [scores] = engine.score([ScoreRequest(PROMPT, ((5,), (6, 7)), adapter="other@1")])
    assert scores == pytest.approx([naive_score(trained, PROMPT, c) for c in ((5,), (6, 7))], abs=1e-4)
    assert (greedy(engine, n=5), greedy(engine, n=5, adapter=name)) == before


def train_adapter(base: Path, folder: Path, **options: Any) -> Any:
    """Writes a LoRA of another kind whose every weight has moved; the model that it was saved from."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"], **options)
    network = get_peft_model(AutoModelForCausalLM.from_pretrained(str(base)), config).eval()
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)
    network.save_pretrained(str(folder))
    return network


def test_a_closed_engine_says_so(tiny: ModelFolder):
    engine = open_local_engine(tiny)
    answer = engine.generate(GenerateRequest(PROMPT, 20, ()))
    next(answer)
    engine.close()
    engine.close()
    with pytest.raises(EngineUnavailable, match="closed"):
        list(answer)
    for call in (lambda: greedy(engine), lambda: engine.load_adapter("x@1", Path("x"))):
        with pytest.raises(EngineUnavailable, match="closed"):
            call()


def test_weights_that_cannot_be_loaded_make_the_engine_unavailable(tmp_path: Path):
    model = write_tiny_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EngineUnavailable, match="cannot be loaded"):
        open_local_engine(model)


def test_a_base_without_some_of_its_weights_is_not_run_with_random_ones(tmp_path: Path):
    from safetensors.torch import load_file, save_file

    model = write_tiny_model(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineUnavailable, match=r"lacks 1 of its weights, e.g. model.layers.1.mlp.up_proj.weight"):
        open_local_engine(model)


def watch_widths(engine: LocalEngine) -> list[int]:
    """The number of tokens of each forward pass from now on."""
    widths: list[int] = []
    engine._adapters.model.register_forward_pre_hook(
        lambda _, __, kwargs: widths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    return widths
