"""A manifest says what it was made for; its version follows from what decides an answer."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.interface.behaviours import Behaviour
from serving.registry.errors import AdapterMismatch, SwitchRefused
from serving.registry.manifest import (
    AdapterManifest,
    Score,
    is_file_name,
    is_version,
    registered,
    require_fit,
    require_passed,
)
from tests.serving.registry.made_adapters import (
    BASE,
    CONTRACT,
    FAILED,
    NOON,
    OTHER_TOKENIZER,
    OTHER_WEIGHTS,
    draft,
)

FILES = {"adapter_model.safetensors": "3" * 64, "adapter_config.json": "4" * 64, "recipe.yaml": "5" * 64}
VERSION = registered(draft(), FILES).version

ENOUGH = {"threshold": 0.5, "passage_tokens": 256.0, "weight": 0.5}

digests = st.text("0123456789abcdef", min_size=64, max_size=64)
numbers = st.floats(allow_nan=False, allow_infinity=False)
scores = st.dictionaries(st.text(), st.builds(Score, value=numbers, low=numbers, high=numbers), max_size=3)
drafts = st.builds(
    draft,
    behaviour=st.sampled_from(Behaviour),
    contract=digests,
    snapshot_id=st.text(min_size=1),
    seed=st.integers(0, 2**63),
    libraries=st.dictionaries(st.text(), st.text(), max_size=3),
    calibration=st.dictionaries(st.text(), numbers, max_size=3).map(lambda found: found | ENOUGH),
    scores=scores,
    baselines=st.dictionaries(st.text(), scores, max_size=2),
    created=st.datetimes(min_value=NOON.replace(year=1900, tzinfo=None), timezones=st.timezones()),
)


@given(drafts, digests, st.booleans())
def test_a_manifest_that_is_written_is_read_back_the_same(made: Any, digest: str, more: bool):
    files = dict(FILES) if more else {name: digest for name in FILES if name.startswith("adapter")}
    manifest = registered(made, files)
    read = AdapterManifest.model_validate_json(manifest.model_dump_json(indent=1))
    assert read == manifest
    assert read.version == manifest.version == registered(made, files).version
    assert is_version(read.version)


@pytest.mark.parametrize(
    "changes",
    [
        {"behaviour": Behaviour.CITATION},
        {"contract": "9" * 64},
        {"base_model": OTHER_WEIGHTS},
        {"base_model": OTHER_TOKENIZER},
        {"calibration": {"threshold": 0.4}},
        {"calibration": {"threshold": 0.5, "margin": 1.0}},
        {"gate_digest": "9" * 64},
        {"verdict": FAILED},
    ],
    ids=str,
)
def test_whatever_decides_an_answer_or_its_admission_changes_the_version(changes: dict[str, Any]):
    assert registered(draft(**changes), FILES).version != VERSION


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json"])
def test_weights_and_configuration_change_the_version(name: str):
    assert registered(draft(), FILES | {name: "9" * 64}).version != VERSION


@pytest.mark.parametrize(
    "changes",
    [
        {"snapshot_id": "other"},
        {"seed": 8},
        {"recipe_digest": "9" * 64},
        {"libraries": {}},
        {"scores": {}},
        {"baselines": {}},
        {"created": NOON + timedelta(days=1)},
        {"base_model": BASE.model_copy(update={"reference": "./elsewhere"})},
    ],
    ids=str,
)
def test_what_is_only_told_about_an_adapter_leaves_the_version_alone(changes: dict[str, Any]):
    assert registered(draft(**changes), FILES).version == VERSION
    assert registered(draft(), FILES | {"recipe.yaml": "9" * 64, "notes.md": "9" * 64}).version == VERSION


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calibration": {}}, "calibration lacks threshold"),
        ({"calibration": {"threshold": float("nan")}}, "finite number"),
        ({"calibration": {"threshold": 50}}, "threshold is no probability"),
        ({"calibration": {"threshold": -0.1}}, "threshold is no probability"),
        ({"behaviour": Behaviour.RERANK, "calibration": {"weight": 0.5}}, "calibration lacks passage_tokens"),
        ({"created": datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))}, "no moment of the calendar in UTC"),
        ({"created": datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))}, "no moment of the calendar in UTC"),
        ({"scores": {"auc": {"value": float("inf"), "low": 0, "high": 1}}}, "finite number"),
        ({"contract": "short"}, "should match pattern"),
        ({"created": NOON.replace(tzinfo=None)}, "timezone"),
        ({"seed": "7"}, "valid integer"),
        ({"notes": "more"}, "Extra inputs"),
    ],
    ids=str,
)
def test_a_draft_that_says_too_little_or_too_much_is_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ValidationError, match=message):
        draft(**changes)


@pytest.mark.parametrize("offset", [timedelta(hours=5, minutes=30), timedelta(minutes=-16, seconds=-8)], ids=str)
def test_a_moment_is_kept_in_utc_whatever_the_zone(offset: timedelta):
    there = NOON.astimezone(timezone(offset))
    manifest = registered(draft(created=there), FILES)
    assert manifest.created == NOON
    assert manifest.created.utcoffset() == timedelta(0)
    assert AdapterManifest.model_validate_json(manifest.model_dump_json()) == manifest


@pytest.mark.parametrize("behaviour", [Behaviour.CITATION, Behaviour.QUERY_REWRITE])
def test_what_is_served_by_no_number_needs_none(behaviour: Behaviour):
    assert draft(behaviour, calibration={}).calibration == {}


ELSEWHERE = ("../a.md", "a/b.md", "/etc.md", ".md", ".a.md", "", "..", "a\\b.md", "a\nb.md", "a.md\n", "-rf.md", "é.md")
RUN = ("adapter_model.bin", "more.safetensors", "adapter_model.safetensors.pkl", "recipe", "recipe.YAML", "a.md.so")


@pytest.mark.parametrize("name", [*ELSEWHERE, *RUN], ids=repr)
def test_a_name_that_leads_elsewhere_or_to_what_could_be_run_is_no_name_of_a_file(name: str):
    manifest = registered(draft(), FILES)
    assert not is_file_name(name)
    assert all(map(is_file_name, FILES))
    with pytest.raises(ValidationError, match="should match pattern"):
        AdapterManifest(**dict(manifest) | {"files": {**FILES, name: "3" * 64}})


def test_a_version_that_does_not_follow_from_the_content_is_refused():
    manifest = registered(draft(), FILES)
    with pytest.raises(ValidationError, match="does not follow from its content"):
        AdapterManifest(**dict(manifest) | {"version": "0" * 12})
    with pytest.raises(ValidationError, match=r"lists no adapter_config\.json"):
        AdapterManifest(**dict(manifest) | {"files": {"adapter_model.safetensors": "3" * 64}})


@pytest.mark.parametrize(
    "text", ["latest", "", "../../../etc", "ABCDEF012345", "0" * 11, "0" * 13, "٠" * 12, "0" * 11 + "\n"]
)
def test_only_twelve_hexadecimal_digits_are_a_version(text: str):
    assert not is_version(text)
    assert is_version("0123456789ab")


def test_an_adapter_fits_the_base_and_the_contract_it_was_made_for():
    require_fit(registered(draft(), FILES), base=BASE.model_copy(update={"reference": "./same"}), contract=CONTRACT)


@pytest.mark.parametrize("base", [OTHER_WEIGHTS, OTHER_TOKENIZER], ids=["weights", "tokenizer"])
def test_an_adapter_of_another_base_is_refused_with_both_named_and_a_way_out(base: Any):
    manifest = registered(draft(), FILES)
    with pytest.raises(AdapterMismatch) as caught:
        require_fit(manifest, base=base, contract=CONTRACT)
    for part in (manifest.name, str(BASE), str(base)):
        assert part in str(caught.value)
    assert "`groundskeeper retrain refusal --promote`" in caught.value.remedy
    # To set the model back helps only where another one was named.
    assert ("set the model back to package:tiny" in caught.value.remedy) == (base.reference != BASE.reference)


def test_an_adapter_of_another_contract_is_refused_with_both_named_and_a_way_out():
    manifest = registered(draft(), FILES)
    with pytest.raises(AdapterMismatch, match=f"{manifest.name} .* contract cccccccccccc; in use is eeeeeeeeeeee"):
        require_fit(manifest, base=BASE, contract="e" * 64)


def test_what_the_gate_did_not_pass_is_refused_with_its_reasons():
    require_passed(registered(draft(), FILES))
    with pytest.raises(SwitchRefused, match="no better than few_shot; refuses too much"):
        require_passed(registered(draft(verdict=FAILED), FILES))
