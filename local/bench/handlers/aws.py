"""AWS, answered in the process of the functions: botocore does all its work, and no network or emulator is involved."""

import json
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from threading import Lock
from time import thread_time
from types import SimpleNamespace
from typing import Any, Final, cast

import boto3
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders

from local.aws.clients import ACCESS_KEY, REGION, SECRET_KEY
from local.simulation.dynamodb import ConditionalCheckFailed, DynamoDbClient, Item
from local.simulation.virtual_time import Clock

ENVIRONMENT: Final = {
    "CODAT_API_KEY_SECRET_NAME": "key",
    "COMPANY_PLANS_TABLE_NAME": "plans",
    "EVENT_BUS_NAME": "bus",
    "FAILED_EVENTS_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/failed",
    "PAYMENT_REQUIRED_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/payment-required",
    "SOURCE_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/source",
    "AWS_DEFAULT_REGION": REGION,
}
"""What the functions need to know of this AWS."""


_HEADERS: Final = {"content-type": "application/x-amz-json-1.0", "x-amzn-requestid": "in-process"}


class InProcessAws:
    """Answers every client that this process creates after it: a table, an event bus, and the secret with the key.

    ``own_seconds`` is the CPU time of the answers themselves, ``requests`` counts them by operation.
    """

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        clock = cast("Clock", SimpleNamespace(sleep=lambda _seconds: None))  # Its answers take no time.
        self._dynamodb = DynamoDbClient(clock, dict[str, Item]())
        self._lock = Lock()
        self.own_seconds = 0.0
        self.requests: Counter[str] = Counter()
        boto3.setup_default_session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY, region_name=REGION)
        boto3._get_default_session().events.register(  # noqa: SLF001  # boto3.client() uses it.
            "before-send",
            self._send,  # type: ignore[arg-type]  # Of this event, what it returns is the answer.
        )

    def _send(self, request: AWSRequest, **_: object) -> AWSResponse:
        began = thread_time()
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        status, answer = self._answer(operation, json.loads(request.body))
        body = BytesIO(json.dumps(answer).encode())
        raw = SimpleNamespace(stream=lambda *_args, **_named: iter([body.getvalue()]), read=body.read)
        headers = HTTPHeaders.from_dict(_HEADERS)
        with self._lock:
            self.requests[operation] += 1
            self.own_seconds += thread_time() - began
        return AWSResponse(request.url or "", status, headers, raw)

    def _answer(self, operation: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        match operation:
            case "GetItem":
                return 200, self._dynamodb.get_item(**asked)
            case "UpdateItem":
                try:
                    with self._lock:
                        return 200, self._dynamodb.update_item(**asked)
                except ConditionalCheckFailed as refusal:
                    refused = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
                    return 400, {"__type": refused, **{k: v for k, v in refusal.response.items() if k == "Item"}}
            case "PutEvents":
                return 200, {"FailedEntryCount": 0, "Entries": [{"EventId": "event"} for _ in asked["Entries"]]}
            case "GetSecretValue":
                return 200, {"Name": asked["SecretId"], "ARN": "arn", "SecretString": self._api_key}
            case _:
                raise NotImplementedError(operation)
