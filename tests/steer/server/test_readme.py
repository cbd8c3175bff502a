"""What README.md shows of the server is true: its command starts one, and its lines ask it."""

import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_lines_of_the_readme_turn_the_dial(tmp_path, capsys):
    section = re.search(r"^## As a server\n(.+?)^## ", README, re.MULTILINE | re.DOTALL)
    assert section
    (command,) = re.findall(r"^```bash\n(.+?)\n```$", section[1], re.MULTILINE)
    (lines,) = re.findall(r"^```py\n(.+?)\n```$", section[1], re.MULTILINE | re.DOTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [str(Path(sys.executable).parent / "steer"), *shlex.split(command)[1:], "--port", port]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, tmp_path / "log")
            exec(lines.replace("8000", port), {})
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
    said = dict(line.split(" ", 1) for line in capsys.readouterr().out.splitlines())
    assert list(said) == [f"reference:aligned@{way}" for way in ("mild", "strict", "refusal=-1.25")]
    assert len(set(said.values())) > 1


def wait_for(url, process, log):
    for _ in range(600):
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())
