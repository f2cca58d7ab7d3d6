"""Presets are put into AppConfig only on request, and never where a company would lose its plan."""

from pathlib import Path
from uuid import UUID

import pytest

from codat_sync.presets.file import InvalidPresets
from ops.put_presets import PresetsPut, put
from tests.ops.appconfig import FakeAppConfig
from tests.ops.on_call import OnCall

LIVE = Path("local/presets.toml").read_bytes()
NEW = LIVE.replace(b'[plans.growth]\nfrequency = "daily"', b'[plans.growth]\nfrequency = "weekly"')
MORE = LIVE + b'\n[plans.extra]\nfrequency = "daily"\n'


def put_new(on_call: OnCall, content: bytes = NEW, *, apply: bool = True) -> PresetsPut:
    return put(content, on_call.stack, apply=apply, on_read=lambda _: None)


def test_without_apply_there_is_no_rollout(on_call: OnCall, appconfig: FakeAppConfig) -> None:
    on_call.record(UUID(int=1), "growth")
    result = put_new(on_call, apply=False)
    assert (result.impact.changed, result.rollout, appconfig.versions) == (1, None, [])
    assert not result.assessment.needs_attention


def test_with_apply_the_content_is_rolled_out(on_call: OnCall, appconfig: FakeAppConfig) -> None:
    result = put_new(on_call)
    assert result.rollout is not None
    assert [version["Content"] for version in appconfig.versions] == [NEW]


def test_a_plan_of_companies_that_the_live_presets_have_is_not_taken_away(
    on_call: OnCall, appconfig: FakeAppConfig
) -> None:
    appconfig.live = MORE
    on_call.record(UUID(int=1), "extra")
    result = put_new(on_call)
    assert (result.impact.stranded, result.rollout) == (1, None)
    assert result.assessment.needs_attention


def test_invalid_presets_are_refused_before_the_stack_is_asked(on_call: OnCall) -> None:
    with pytest.raises(InvalidPresets, match="plan scale: the deployed package has it"):
        put_new(on_call, LIVE[: LIVE.index(b"[plans.scale]")])
