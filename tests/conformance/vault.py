"""A running vault, spoken to with nothing but HTTP, and how to start one."""

import http.client
import json
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

START_LIMIT = 60

# Where the vaults of this run wrote what they had to say, shown when a test failed.
LOGS = []


@dataclass(frozen=True)
class Reply:
    """What came back: status, headers (names in lower case) and body."""

    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Vault:
    """A vault and its first admin client."""

    def __init__(self, url, client_id, client_secret):
        self.url = url
        self.client_id = client_id
        self.client_secret = client_secret
        self._token = None

    @property
    def token(self):
        """A token of the admin client, got once."""
        if self._token is None:
            reply = self.send("POST", "/v1/token", body=self.grant)
            assert reply.status == 200, reply
            self._token = reply.json()["accessToken"]
        return self._token

    @property
    def grant(self):
        """The body that asks for a token."""
        return {
            "grant_type": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
        }

    def send(self, method, target, headers=(), body=None):
        """Sends a request as it stands: the target is not touched, and no header is added but those of a JSON body."""
        headers = dict(headers)
        if isinstance(body, dict):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=35)
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, names, response.read())
        finally:
            connection.close()

    def call(self, method, target, body=None):
        """Sends a request as the admin client."""
        return self.send(method, target, {"Authorization": f"Bearer {self.token}"}, body)

    def create(self, path, **secret):
        """Creates a secret that a test builds on."""
        reply = self.call("POST", f"/v1/secrets/{path}", secret)
        assert reply.status == 201, reply
        return reply.json()


def start(command, environment, directory):
    """Starts a vault that announces itself in a ready file; gives the process and the vault."""
    ready = Path(directory, "ready.json")
    log = Path(directory, "log")
    LOGS.append(log)
    command = [*command, "--port", str(free_port()), "--ready-file", str(ready)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=directory,
            env=own_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + START_LIMIT
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait()
            raise RuntimeError(f"{command[0]} did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)
    announced = json.loads(ready.read_text())
    assert ready.stat().st_mode & 0o777 == 0o600, "the ready file holds a secret"
    return process, Vault(announced["url"].rstrip("/"), announced["clientId"], announced["clientSecret"])


def stop(process):
    """Ends a vault."""
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def own_environment():
    """This process's environment without any setting of AWS's tools or of the vault itself."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "MAYFLY_"))
    }


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def binary(name):
    """The path of a binary under test."""
    path = Path(os.environ["MAYFLY_GATEWAY"] if name == "gateway" else f"{os.environ['MAYFLY_BINARIES']}/{name}")
    assert path.is_file(), f"{path} is missing: build it first"
    return path
