"""Planning: pure, complete, and a no-op the second time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval.plan import Plan, plan_changes

states = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["1", "2", "3"]))


def applied(plan: Plan, old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in old.items() if key not in plan.removed}
    return kept | {key: new[key] for key in plan.added + plan.changed}


def test_each_id_lands_where_it_belongs():
    plan = plan_changes({"kept": "1", "moved": "1", "gone": "1"}, {"kept": "1", "moved": "2", "new": "1"})
    assert plan == Plan(added=("new",), changed=("moved",), removed=("gone",), unchanged=1)
    assert plan.counts() == {"added": 1, "changed": 1, "removed": 1, "unchanged": 1}


@given(states, states)
def test_the_plan_leads_from_the_old_state_to_the_new(old: dict[str, str], new: dict[str, str]):
    assert applied(plan_changes(old, new), old, new) == new


@given(states, states)
def test_every_id_is_counted_once(old: dict[str, str], new: dict[str, str]):
    plan = plan_changes(old, new)
    assert len(plan.added) + len(plan.changed) + plan.unchanged == len(new)
    assert len(plan.removed) + len(plan.changed) + plan.unchanged == len(old)


@given(states)
def test_planning_for_the_same_state_is_empty(state: dict[str, str]):
    plan = plan_changes(state, dict(reversed(state.items())))
    assert (plan.added, plan.changed, plan.removed) == ((), (), ())
