"""The stack's profile in AppConfig: a new version and its rollout, and the newest rollout."""

import hashlib

import pytest
from botocore.exceptions import ClientError

from codat_sync.presets.file import InvalidPresets
from ops.presets_in_appconfig import PresetsInAppConfig, Rollout
from tests.ops.appconfig import FakeAppConfig, refusal

CONTENT = b'default_plan = "free"'
IDS = {"application_id": "app1234", "environment_id": "env1234", "profile_id": "pro1234", "strategy_id": "str1234"}


def test_the_rollout_names_the_sum_of_the_file() -> None:
    rollout = PresetsInAppConfig(FakeAppConfig(), **IDS).put(CONTENT)
    assert rollout == Rollout(1, "1", "DEPLOYING", 0.0, hashlib.sha256(CONTENT).hexdigest())


def test_a_customer_managed_key_encrypts_them() -> None:
    appconfig = FakeAppConfig()
    PresetsInAppConfig(appconfig, **IDS, kms_key="arn:aws:kms:eu-west-2:123456789012:key/k").put(CONTENT)
    assert appconfig.deployments[0]["KmsKeyIdentifier"].endswith("key/k")


def test_a_refusal_of_the_validator_is_about_the_presets() -> None:
    appconfig = FakeAppConfig(refuses=refusal("BadRequestException", "plan new: the deployed package has it"))
    with pytest.raises(InvalidPresets, match=r"^plan new: the deployed package has it$"):
        PresetsInAppConfig(appconfig, **IDS).put(CONTENT)


def test_any_other_refusal_is_passed_on() -> None:
    appconfig = FakeAppConfig(refuses=refusal("ConflictException", "Deployment in progress"))
    with pytest.raises(ClientError, match="Deployment in progress"):
        PresetsInAppConfig(appconfig, **IDS).put(CONTENT)


def test_the_newest_rollout_has_the_highest_number() -> None:
    profile = PresetsInAppConfig(FakeAppConfig(), **IDS)
    assert profile.newest() is None
    for _ in range(3):
        profile.put(CONTENT)
    newest = profile.newest()
    assert newest is not None
    assert newest.number == 3


@pytest.mark.parametrize("state", ["COMPLETE", "DEPLOYING", "BAKING", "ROLLED_BACK", "REVERTED"])
def test_a_rollout_is_complete_once_appconfig_no_longer_rolls_it_back(state: str) -> None:
    assert Rollout(1, "1", state, 100.0).is_complete is (state == "COMPLETE")
