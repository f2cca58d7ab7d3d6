"""The API key comes from Secrets Manager, and is read no more often than needed."""

import base64
import string
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from threading import Barrier

import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError
from mypy_boto3_secretsmanager import SecretsManagerClient

from codat_sync.api_key import MAX_AGE_SECONDS, ApiKeyUnusable, SecretApiKey
from codat_sync.aws.errors import CallNotStarted

NAME = "codat/api-key"
OLD = "WDEUmQPlTuMF2vpYDSyTMWAdbKvOkk0fhmXcShQV"
NEW = "gTNThSHL4vfTMdd2EDTgiTiwAZ4cPTJeWZ1hEUsv"


def answered(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetSecretValue")


class Secret:
    """The secret, and the number of its reads. ``failure`` is raised by each read."""

    def __init__(self, client: SecretsManagerClient) -> None:
        self._client = client
        self.reads = 0
        self.failure: Exception | None = None
        client.create_secret(Name=NAME, SecretString=OLD)
        self.provider = SecretsProvider(boto3_client=client)

    def put(self, key: str) -> None:
        self._client.put_secret_value(SecretId=NAME, SecretString=key)

    def age(self, seconds: float) -> None:
        """Make the cached key so much older."""
        store = self.provider.store
        store.update({at: held._replace(ttl=held.ttl - timedelta(seconds=seconds)) for at, held in store.items()})

    def count(self, **_: object) -> None:
        self.reads += 1
        if self.failure is not None:
            raise self.failure


@pytest.fixture
def secret(secrets_manager: SecretsManagerClient) -> Iterator[Secret]:
    secret = Secret(secrets_manager)
    call = "before-call.secrets-manager.GetSecretValue"
    secrets_manager.meta.events.register(call, secret.count, unique_id="count")
    yield secret
    secrets_manager.meta.events.unregister(call, unique_id="count")
    secrets_manager.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def api_key(secret: Secret) -> SecretApiKey:
    return SecretApiKey(secret.provider, NAME)


def test_the_secret_is_read_once(secret: Secret, api_key: SecretApiKey) -> None:
    assert [api_key(), api_key(), api_key()] == [OLD] * 3
    assert secret.reads == 1


def encoded(text: str) -> str:
    """Return the base64 of a text."""
    return base64.b64encode(text.encode()).decode()


ENCODED, WITH_COLON, WITH_LINE_BREAK = encoded(OLD), encoded(f"{OLD}:"), encoded(f"{OLD}\n")
BARE = [f"{OLD}\n", f"{OLD}\r\n", f" {OLD} ", f"\t{OLD}", f"\ufeff{OLD}", f"\u00a0{OLD}\u200b", f"\ufeff {OLD}\r\n"]
QUOTED = [f'"{OLD}"', f"'{OLD}'", f"`{OLD}`", f"\u201c{OLD}\u201d", f' " {OLD}\n" ', f"\"'{OLD}'\"", f'\ufeff"{OLD}"\n']
HEADERS = [
    f"Basic {ENCODED}",
    f"basic  {ENCODED}\n",
    f"Authorization: Basic {ENCODED}",
    f"authorization:basic {ENCODED}",
    f'"Authorization: Basic {ENCODED}"',
    f"Basic {ENCODED.rstrip('=')}",
    f'Basic "{ENCODED}"',
    f"Basic {WITH_COLON}",
    f"Basic {WITH_LINE_BREAK}",
]
ENCODINGS = [ENCODED, ENCODED.rstrip("="), f"{ENCODED}\n", WITH_LINE_BREAK]


@pytest.mark.parametrize("text", [*BARE, *QUOTED, *HEADERS, *ENCODINGS])
def test_a_key_is_used_in_each_form_in_which_people_store_it(secret: Secret, api_key: SecretApiKey, text: str) -> None:
    secret.put(text)
    assert api_key() == OLD
    assert api_key(rejected=OLD) == OLD


@pytest.mark.parametrize("length", range(20, 65))
def test_a_bare_key_of_any_length_is_not_taken_for_base64(secret: Secret, api_key: SecretApiKey, length: int) -> None:
    letters = Random(length)  # noqa: S311  # Repeatable, not secret.
    key = "".join(letters.choices(string.ascii_letters + string.digits, k=length))
    secret.put(key)
    assert api_key() == key


def test_a_key_is_cached_for_five_minutes(secret: Secret, api_key: SecretApiKey) -> None:
    api_key()
    secret.put(NEW)
    secret.age(MAX_AGE_SECONDS - 30)
    assert api_key() == OLD
    secret.age(60)
    assert api_key() == NEW
    assert secret.reads == 2


def test_a_rotated_key_is_used_once_the_old_one_is_rejected(secret: Secret, api_key: SecretApiKey) -> None:
    api_key()
    secret.put(NEW)
    assert api_key(rejected=OLD) == NEW
    assert api_key() == NEW
    assert secret.reads == 2


def test_a_rejected_key_is_recognised_without_its_white_space(secret: Secret, api_key: SecretApiKey) -> None:
    secret.put(f"{OLD}\n")
    rejected = api_key()
    secret.put(f"{NEW}\n")
    assert api_key(rejected=rejected) == NEW


def test_a_wrong_key_is_read_anew_only_once(secret: Secret, api_key: SecretApiKey) -> None:
    assert [api_key(rejected=api_key()) for _ in range(5)] == [OLD] * 5
    assert secret.reads == 2


def test_a_corrected_key_is_used_once_the_cache_has_expired(secret: Secret, api_key: SecretApiKey) -> None:
    api_key(rejected=api_key())
    secret.put(NEW)
    assert api_key(rejected=OLD) == OLD
    secret.age(MAX_AGE_SECONDS + 1)
    assert api_key(rejected=OLD) == NEW


def test_each_rejected_key_is_read_anew_once(secret: Secret, api_key: SecretApiKey) -> None:
    api_key()
    secret.put(NEW)
    assert api_key(rejected=OLD) == NEW
    secret.put("a-third-one")
    assert api_key(rejected=NEW) == "a-third-one"


def test_a_key_that_was_read_anew_meanwhile_costs_no_further_read(secret: Secret, api_key: SecretApiKey) -> None:
    """Of many requests in flight with the old key, the first reads the secret for all."""
    api_key()
    secret.put(NEW)
    api_key(rejected=OLD)
    assert api_key(rejected=OLD) == NEW
    assert secret.reads == 2


def test_a_key_that_was_read_since_its_cache_expired_costs_no_further_read(
    secret: Secret, api_key: SecretApiKey
) -> None:
    api_key()
    secret.put(NEW)
    secret.age(MAX_AGE_SECONDS + 1)
    assert api_key() == NEW
    assert api_key(rejected=OLD) == NEW
    assert secret.reads == 2


def test_threads_whose_key_is_rejected_together_read_it_once(secret: Secret, api_key: SecretApiKey) -> None:
    api_key()
    secret.put(NEW)
    together = Barrier(8)

    def reject() -> str:
        together.wait(timeout=5)
        return api_key(rejected=OLD)

    with ThreadPoolExecutor(8) as threads:
        fresh = [future.result() for future in [threads.submit(reject) for _ in range(8)]]
    assert fresh == [NEW] * 8
    assert secret.reads == 2


def test_a_missing_secret_is_an_error_that_names_it(secret: Secret) -> None:
    with pytest.raises(ApiKeyUnusable, match=r"codat/another-key cannot be read: .*ResourceNotFound"):
        SecretApiKey(secret.provider, "codat/another-key")()


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "REPLACE_ME",
        "changeme",
        "<your key>",
        "your-codat-api-key",
        "xxxxxxxx",
        "****",
        f'{{"apiKey": "{OLD}"}}',
        "[]",
    ],
)
def test_a_placeholder_is_an_error_that_does_not_repeat_it(secret: Secret, api_key: SecretApiKey, text: str) -> None:
    secret.put(text)
    with pytest.raises(ApiKeyUnusable, match="codat/api-key holds no API key") as error:
        api_key()
    assert OLD not in str(error.value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Basic YOUR_ENCODED_API_KEY", "a ready-made header whose base64 cannot be decoded"),
        (f"Basic {OLD}", "a ready-made header whose base64 cannot be decoded"),
        ("Basic UkVQTEFDRV9NRQ==", "a placeholder"),
        ('"REPLACE_ME"', "a placeholder"),
        (f'{{"key": "{OLD}"}}', "JSON"),
        (f"{OLD[:20]} {OLD[20:]}", "a blank or a line break inside"),
        (f"{OLD}\n{NEW}", "a blank or a line break inside"),
        (f"Bearer {OLD}", "a blank or a line break inside"),
        (f"{OLD}é", "other characters in it than printable ASCII"),
        (f"{OLD[:20]}\u200b{OLD[20:]}", "other characters in it than printable ASCII"),
        (f"{OLD[:20]}\x00{OLD[20:]}", "other characters in it than printable ASCII"),
        (f"CODAT_API_KEY={OLD}", "a line with a name and a value"),
        (f'export API_KEY="{OLD}"', "a line with a name and a value"),
        (f"apiKey: {OLD}", "a line with a name and a value"),
    ],
)
def test_what_cannot_be_a_key_is_named_before_any_call_and_not_repeated(
    secret: Secret, api_key: SecretApiKey, text: str, problem: str
) -> None:
    secret.put(text)
    with pytest.raises(ApiKeyUnusable, match=problem) as raised:
        api_key()
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(api_key)
    assert OLD not in shown
    assert OLD[:20] not in shown


@pytest.mark.parametrize("key", ["xxChangeMexx", "a" * 40, "todoTBDkeyToken", "simulated-api-key"])
def test_a_key_that_contains_such_a_word_is_a_key(secret: Secret, api_key: SecretApiKey, key: str) -> None:
    secret.put(key)
    assert api_key() == key


def test_a_corrected_placeholder_is_used_at_once(secret: Secret, api_key: SecretApiKey) -> None:
    secret.put("REPLACE_ME")
    with pytest.raises(ApiKeyUnusable):
        api_key()
    secret.put(NEW)
    assert api_key() == NEW


def test_a_secret_stored_as_bytes_is_the_same_key(
    secrets_manager: SecretsManagerClient, secret: Secret, api_key: SecretApiKey
) -> None:
    secrets_manager.put_secret_value(SecretId=NAME, SecretBinary=OLD.encode())
    assert secret.reads == 0
    assert api_key() == OLD


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (ReadTimeoutError(endpoint_url="https://secretsmanager"), ReadTimeoutError),
        (answered("ThrottlingException"), ClientError),
        (answered("InternalServiceError"), ClientError),
        (CallNotStarted(service="Secrets Manager", operation="GetSecretValue"), CallNotStarted),
        (answered("AccessDeniedException"), ApiKeyUnusable),
        (answered("ResourceNotFoundException"), ApiKeyUnusable),
        (answered("DecryptionFailure"), ApiKeyUnusable),
        (NoCredentialsError(), ApiKeyUnusable),
    ],
    ids=str,
)
def test_trouble_that_passes_by_itself_is_not_blamed_on_the_key(
    secret: Secret, api_key: SecretApiKey, error: Exception, raised: type[Exception]
) -> None:
    """A person is called for a key that cannot be used, and not for an outage of Secrets Manager."""
    secret.failure = error
    with pytest.raises(raised):
        api_key()
    secret.failure = None
    assert api_key() == OLD


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_secret_stored_from_a_file_with_a_byte_order_mark_is_the_same_key(
    secrets_manager: SecretsManagerClient, secret: Secret, api_key: SecretApiKey, encoding: str
) -> None:
    secrets_manager.put_secret_value(SecretId=NAME, SecretBinary=f"{OLD}\r\n".encode(encoding))
    assert secret.reads == 0
    assert api_key() == OLD
