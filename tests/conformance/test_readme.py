"""What the README and the first start tell a stranger to type, typed."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

import vault as vaults

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture(scope="module")
def first_start(tmp_path_factory):
    """A vault as a stranger starts it, and what it printed."""
    directory = tmp_path_factory.mktemp("first")
    process, vault = vaults.start([vaults.binary("mayfly")], {}, directory)
    deadline = time.monotonic() + 20
    while "Stop it with" not in (said := Path(directory, "log").read_text()):
        assert time.monotonic() < deadline, said
        time.sleep(0.05)
    yield vault, said
    vaults.stop(process)


def sh(script):
    done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def block(language, heading):
    """The first code block of that language under a heading that contains these words."""
    section = re.search(rf"^## [^\n]*{heading}.*?(?=^## )", README.read_text(), re.M | re.S).group()
    blocks = re.findall(rf"^```{language}\n(.*?)^```", section, re.M | re.S)
    return blocks[0]


def test_the_printed_lines_mint_other_credentials(first_start):
    vault, said = first_start
    lines = [line.strip() for line in said.split("Mint others:")[1].splitlines()]
    script = "\n".join(line for line in lines if line.startswith(("TOKEN=", "curl ")))
    shown = [json.loads(text) for text in re.findall(r"minted just now:\n(.*?\n    \})", said, re.S)]
    aws, azure = answers_of(script, vault)
    assert aws["data"]["accessKey"].startswith("ASIASANDBOX")
    assert aws["data"]["accessKey"] != shown[0]["accessKey"]
    assert azure["data"]["clientSecret"].startswith("sandbox~")
    assert azure["data"]["clientId"] != shown[1]["clientId"]


def answers_of(script, vault):
    """What the lines of a shell session answer, typed with the vault's own address and client."""
    for name, value in [("VAULT", vault.url), ("CLIENT_ID", vault.client_id), ("CLIENT_SECRET", vault.client_secret)]:
        script = re.sub(rf"^{name}=\S+", f"{name}={value}", script, flags=re.M)
    decoder, text, answers = json.JSONDecoder(), sh(script), []
    while text.strip():
        answer, end = decoder.raw_decode(text.lstrip())
        answers.append(answer)
        text = text.lstrip()[end:]
    return answers


def test_the_curl_session_of_the_readme_works(first_start):
    vault, _ = first_start
    created, read, linked, minted, found = answers_of(block("sh", "with curl"), vault)
    assert created["version"] == "0" and read["data"] == {"password": "hunter2"}
    assert linked["data"] == {} and minted["data"]["ttl"] == 3600
    assert [item["path"] for item in found["data"]] == ["samples:aws:hour", "samples:aws:reader"]


def test_the_first_policy_and_client_of_the_readme_work(first_start):
    vault, _ = first_start
    sign_in = block("sh", "with curl").split("# an ordinary secret")[0]
    role, policy, read = answers_of(sign_in + block("sh", "first policy and client"), vault)
    assert role["name"] == "reports"
    assert policy["permissionDocument"][0]["resources"] == ["secrets:samples:aws:reader"]
    assert read["data"]["accessKey"].startswith("ASIASANDBOX")


def test_the_python_session_of_the_readme_works(first_start):
    vault, _ = first_start
    script = block("python", "python-dsv-sdk")
    for placeholder, value in [
        ("http://127.0.0.1:8600", vault.url),
        ("CLIENT_ID", vault.client_id),
        ("CLIENT_SECRET", vault.client_secret),
    ]:
        script = script.replace(placeholder, value)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ASIASANDBOX")
