"""`sazon serve` on a finished run, asked by the official client, over a real socket."""

from __future__ import annotations

import signal
from pathlib import Path

import openai
import pytest


@pytest.fixture
def served(finished: Path, process):
    """The address of a served run, and its process."""
    started = process("serve", finished, "--port", "0", "--candidate", "linear")
    line = started.stdout.readline()
    assert "http://127.0.0.1:" in line, started.communicate(timeout=30)
    return "http://127.0.0.1:" + line.split("http://127.0.0.1:")[1].split()[0], started


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_the_official_client_gets_a_label_and_words(served) -> None:
    url, started = served
    with openai.OpenAI(base_url=f"{url}/v1", api_key="not needed", max_retries=0) as client:
        said = [{"role": "user", "content": "¿Me puede dar cita para mañana con el traumatólogo?"}]
        answer = client.chat.completions.create(model="small task", messages=said)
        assert answer.choices[0].message.content == "book_appointment"
        assert [model.id for model in client.models.list()] == ["small task"]
        with pytest.raises(openai.PermissionDeniedError, match="small task"):
            client.chat.completions.create(model="gpt-4.1", messages=said)
        with pytest.raises(openai.NotFoundError, match="small task"):
            client.models.retrieve("gpt-4.1")
    started.send_signal(signal.SIGTERM)
    _, err = started.communicate(timeout=30)
    assert (started.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("candidate", "code", "said"),
    [
        ("large", 2, "nothing of this candidate runs here"),
        ("frontier", 2, "nothing of this candidate runs here"),
        ("lineal", 2, "Did you mean 'linear'"),
    ],
)
def test_what_cannot_be_served_is_refused(
    finished: Path, command, candidate: str, code: int, said: str
) -> None:
    result = command("serve", finished, "--port", "0", "--candidate", candidate)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_run_that_is_not_finished_says_what_to_do(small_recipe: Path, command) -> None:
    assert command("check", small_recipe).exit_code == 0
    assert command("serve", small_recipe, "--candidate", "linear").exit_code == 3
    (small_recipe.parent / "run").mkdir()
    command("adapt", small_recipe, "--out", "run")
    result = command("serve", "run")
    assert result.exit_code == 3
    assert "no decision yet" in result.stderr
    assert "sazon run run" in result.stderr
