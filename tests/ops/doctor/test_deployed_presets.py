"""The presets of the deployed functions, and those of the file here."""

from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from zipfile import ZipFile

import pytest

from local.presets import FILE
from ops.doctor.deployed_presets import same_presets
from ops.doctor.finding import Light
from ops.doctor.subject import Subject
from ops.errors import StackNotFound
from ops.live_presets import IN_LAYER
from tests.ops.doctor.stubbed import Answers, subject_of

LOCAL = FILE.read_text("utf-8")
OLD = LOCAL.replace('"weekly"', '"monthly"')


def layer(**files: str) -> bytes:
    archive = BytesIO()
    with ZipFile(archive, "w") as written:
        for name, content in files.items():
            written.writestr(name, content)
    return archive.getvalue()


@pytest.fixture
def bucket() -> Iterator[tuple[str, dict[str, bytes]]]:
    """Serve files as S3 does, at a signed URL."""
    served: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = served.get(self.path.partition("?")[0])
            self.send_response(403 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:  # noqa: ANN401
            """Write nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", served
        server.shutdown()


@pytest.fixture
def subject(bucket: tuple[str, dict[str, bytes]], tmp_path: Path) -> Subject:
    """Return a stack whose second layer is ours."""
    url, served = bucket
    served["/theirs"] = layer(**{"python/other.py": ""})
    answers = Answers()
    answers.add(
        "lambda",
        "get_function_configuration",
        {"Layers": [{"Arn": "arn:theirs"}, {"Arn": "arn:ours"}]},
        {"FunctionName": "plan-changed", "Qualifier": "live"},
    )
    for name in ("theirs", "ours"):
        content = {"Content": {"Location": f"{url}/{name}?signature"}}
        answers.add("lambda", "get_layer_version_by_arn", content, {"Arn": f"arn:{name}"})
    file = tmp_path / "presets.toml"
    file.write_text(LOCAL, "utf-8")
    return subject_of(answers, outputs={"CompanyPlanChangedFunctionName": "plan-changed"}, presets=file)


@pytest.mark.parametrize(
    ("deployed", "light"),
    [(LOCAL, Light.GREEN), (f"# A comment\n{LOCAL}", Light.GREEN), (OLD, Light.RED), ("plans =", Light.RED)],
    ids=["same", "a comment", "old", "invalid"],
)
def test_the_file_in_the_layer_is_compared(
    subject: Subject, bucket: tuple[str, dict[str, bytes]], deployed: str, light: Light
) -> None:
    bucket[1]["/ours"] = layer(**{IN_LAYER: deployed})
    assert same_presets(subject).light is light


def test_a_layer_without_the_file_is_an_error(subject: Subject, bucket: tuple[str, dict[str, bytes]]) -> None:
    bucket[1]["/ours"] = layer(other="")
    with pytest.raises(StackNotFound, match="no layer of plan-changed has python/codat_sync"):
        same_presets(subject)


def test_a_layer_that_s3_does_not_give_is_an_error_without_the_signed_url(subject: Subject) -> None:
    with pytest.raises(StackNotFound, match=r"^the deployed layer cannot be downloaded: status 403$"):
        same_presets(subject)


def test_a_file_that_cannot_be_used_is_not_compared(subject: Subject) -> None:
    subject.presets.write_text("plans =", "utf-8")
    assert same_presets(subject).light is Light.UNANSWERED


def test_on_this_machine_the_copy_of_what_was_deployed_is_compared(subject: Subject, tmp_path: Path) -> None:
    copy = tmp_path / "deployed.toml"
    local = replace(subject, stack=replace(subject.stack, deployed_presets=copy))
    copy.write_text(LOCAL, "utf-8")
    assert same_presets(local).light is Light.GREEN
    copy.write_text(OLD, "utf-8")
    assert same_presets(local).light is Light.RED


def test_where_appconfig_has_presets_those_are_compared_and_others_are_yellow(subject: Subject) -> None:
    hosted = replace(subject, stack=replace(subject.stack, parameters={"PresetsFromAppConfig": "true"}))
    for live, light in ((LOCAL, Light.GREEN), (OLD, Light.YELLOW), ("plans =", Light.RED)):
        hosted.stack.__dict__["hosted_presets"] = live.encode  # What AppConfig holds.
        assert same_presets(hosted).light is light


def test_where_appconfig_has_none_the_layer_is_compared(subject: Subject, bucket: tuple[str, dict[str, bytes]]) -> None:
    bucket[1]["/ours"] = layer(**{IN_LAYER: OLD})
    hosted = replace(subject, stack=replace(subject.stack, parameters={"PresetsFromAppConfig": "true"}))
    hosted.stack.__dict__["hosted_presets"] = lambda: None
    assert same_presets(hosted).light is Light.RED


def test_an_address_that_does_not_answer_is_an_error_without_the_signed_url() -> None:
    answers = Answers()
    answers.add("lambda", "get_function_configuration", {"Layers": [{"Arn": "arn:ours"}]})
    answers.add("lambda", "get_layer_version_by_arn", {"Content": {"Location": "http://127.0.0.1:9/x?signature"}})
    subject = subject_of(answers, outputs={"CompanyPlanChangedFunctionName": "plan-changed"}, presets=FILE)
    with pytest.raises(StackNotFound, match=r"^the deployed layer cannot be downloaded: MaxRetryError$"):
        same_presets(subject)
