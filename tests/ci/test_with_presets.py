"""`.ci/with_presets` puts the packaged presets back, however its command ends."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci/with_presets"


@pytest.fixture
def packaged(tmp_path: Path) -> Path:
    """Make a project with packaged presets, others, and the script."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci")
    packaged = tmp_path / "shared/codat_sync/presets/presets.toml"
    packaged.parent.mkdir(parents=True)
    packaged.write_text("# packaged")
    (tmp_path / "others.toml").write_text("# others")
    return packaged


def command(packaged: Path, shell: str) -> list[str]:
    root = packaged.parents[3]
    return ["bash", str(root / ".ci/with_presets"), "others.toml", "sh", "-c", shell, "sh", str(packaged)]


@pytest.mark.parametrize("code", [0, 3])
def test_a_command_sees_the_other_presets_and_its_exit_code_is_returned(packaged: Path, code: int) -> None:
    ran = subprocess.run(  # noqa: S603 - every word is this project's own.
        command(packaged, f'cat "$1"; exit {code}'), check=False, capture_output=True, text=True
    )

    assert (ran.stdout, ran.returncode) == ("# others", code)
    assert packaged.read_text() == "# packaged"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_the_packaged_presets_are_put_back(
    packaged: Path, number: signal.Signals
) -> None:
    with subprocess.Popen(  # noqa: S603 - every word is this project's own.
        command(packaged, "echo $$; exec sleep 1000"), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert packaged.read_text() == "# others"

        process.send_signal(number)
        process.wait(timeout=10)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert process.returncode == 128 + signal.SIGTERM
    assert packaged.read_text() == "# packaged"
