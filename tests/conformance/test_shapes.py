"""Requests as published clients send them, and what those clients need to find in the answers."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")

BEARER = "Bearer {token}"
RAW = "{token}"
EMPTY = ""
ABSENT = object()

CLI_SEARCH = "&limit=&cursor=&search.field=&search.comparison=&search.type=&sort="
GRANT = {"accessToken": JWT, "expiresIn": int, "tokenType": str}
SECRET = {
    "id": UUID,
    "path": "shapes:known:one",
    "data": {"user": "u", "pass": "p"},
    "attributes": {"tag": "x"},
    "description": "known",
    "created": INSTANT,
    "createdBy": str,
    "lastModified": INSTANT,
    "lastModifiedBy": str,
    "version": "0",
}
DESCRIPTION = SECRET | {"data": ABSENT}


@dataclass(frozen=True)
class Case:
    """One request, and what must hold for its answer.

    In `finds`, a pattern or a type stands for every value that fits it, and ABSENT for no such key.
    """

    name: str
    method: str
    target: str
    body: Any = None
    auth: str | None = BEARER
    headers: dict = field(default_factory=dict)
    given: tuple = ()
    status: int = 200
    finds: dict | None = field(default_factory=dict)


CASES = [
    # The token endpoint. `GRANT_BODY` is the admin client's own.
    Case("json grant", "POST", "/v1/token", "GRANT_BODY", auth=None, finds=GRANT),
    Case("form grant", "POST", "/v1/token", "GRANT_FORM", auth=None, finds=GRANT),
    Case("grant with empty authorization", "POST", "/v1/token", "GRANT_BODY", auth=EMPTY, finds=GRANT),
    Case(
        "grant with empty fields of other grants",
        "POST", "/v1/token", "GRANT_PADDED", auth=None, finds=GRANT,
    ),
    Case(
        "refused grant",
        "POST", "/v1/token", {"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, auth=None,
        status=401, finds={"code": 401, "message": "unable to authenticate"},
    ),
    Case("heartbeat", "GET", "/v1/heartbeat", auth=EMPTY, finds={"statusCode": int, "message": str}),
    # How the token is sent.
    Case("bearer token", "GET", "/v1/secrets/shapes/known/one", finds=SECRET),
    Case("raw token", "GET", "/v1/secrets/shapes/known/one", auth=RAW, finds=SECRET),
    Case("no token", "GET", "/v1/secrets/shapes/known/one", auth=None, status=401, finds={"code": 401, "message": str}),
    Case("empty token", "GET", "/v1/secrets/shapes/known/one", auth=EMPTY, status=401, finds={"code": 401, "message": str}),
    Case("bad token", "GET", "/v1/secrets/shapes/known/one", auth="Bearer x.y.z", status=401, finds={"code": 401, "message": str}),
    Case(
        "content type without content",
        "GET", "/v1/secrets/shapes/known/one", auth=RAW, finds=SECRET,
        headers={"Content-Type": "application/json", "Delinea-DSV-Client": "cli-1.41.1-linux/amd64"},
    ),
    # How a secret is addressed.
    Case("colons", "GET", "/v1/secrets/shapes:known:one", finds=SECRET),
    Case("escaped colons", "GET", "/v1/secrets/shapes%3Aknown%3Aone", finds=SECRET),
    Case("escaped slashes", "GET", "/v1/secrets/shapes%2Fknown%2Fone", finds=SECRET),
    Case("trailing slash", "GET", "/v1/secrets/shapes/known/one/", finds=SECRET),
    Case("doubled slash", "GET", "/v1/secrets/shapes//known/one", finds=SECRET),
    Case("empty query values", "GET", "/v1/secrets/shapes/known/one?edit=&id=", finds=SECRET),
    Case("false edit", "GET", "/v1/secrets/shapes/known/one?edit=false", finds=SECRET),
    Case(
        "plus and at sign",
        "GET", "/v1/secrets/shapes/a+b@c.d_e-f", finds={"path": "shapes:a+b@c.d_e-f"},
        given=(("POST", "/v1/secrets/shapes/a+b@c.d_e-f", {"data": {"n": 1}}),),
    ),
    # Describing and searching.
    Case("description", "GET", "/v1/secrets/shapes/known/one::description", finds=DESCRIPTION),
    Case("description of colons", "GET", "/v1/secrets/shapes:known:one::description?edit=false&id=", finds=DESCRIPTION),
    Case(
        "search that finds nothing",
        "GET", "/v1/secrets?searchTerm=nothing-is-named-so" + CLI_SEARCH,
        finds={"data": [], "length": 0, "cursor": "", "total": int, "limit": int},
    ),
    Case(
        "search that finds one",
        "GET", "/v1/secrets?searchTerm=shapes:known" + CLI_SEARCH,
        finds={"data": [DESCRIPTION], "length": 1, "limit": 25, "cursor": ""},
    ),
    # Writing.
    Case(
        "capitalised keys",
        "POST", "/v1/secrets/shapes/capital/one", status=201,
        body={"Data": {"Key": 1}, "Description": "d", "Attributes": {"Tag": "t"}, "Overwrite": False},
        finds={"path": "shapes:capital:one", "data": {"Key": 1}, "description": "d", "attributes": {"Tag": "t"}, "version": "0"},
    ),
    Case(
        "update with capitalised keys merges",
        "PUT", "/v1/secrets/shapes/capital/two",
        body={"Data": {"b": 2}, "Description": "", "Attributes": {}, "Overwrite": False},
        given=(("POST", "/v1/secrets/shapes/capital/two", {"data": {"a": 1}, "description": "kept"}),),
        finds={"data": {"a": 1, "b": 2}, "description": "kept", "version": "1", "lastModified": INSTANT},
    ),
    Case(
        "capitalised overwrite replaces",
        "PUT", "/v1/secrets/shapes/capital/three",
        body={"Data": {"b": 2}, "Description": "", "Attributes": {}, "Overwrite": True},
        given=(("POST", "/v1/secrets/shapes/capital/three", {"data": {"a": 1}, "description": "gone"}),),
        finds={"data": {"b": 2}, "description": "", "version": "1"},
    ),
    Case(
        "create with a trailing slash",
        "POST", "/v1/secrets/shapes/slash/", {"data": {"n": None}}, status=201,
        finds={"path": "shapes:slash", "data": {"n": None}, "description": "", "version": "0"},
    ),
    Case(
        "duplicate",
        "POST", "/v1/secrets/shapes:known:one", {"data": {}}, status=400,
        finds={"code": 400, "message": "error creating secret, secret at path already exists"},
    ),
    Case(
        "missing",
        "GET", "/v1/secrets/shapes/none", status=404,
        finds={"code": 404, "message": "unable to find item with specified identifier"},
    ),
    Case(
        "malformed body",
        "POST", "/v1/secrets/shapes/malformed", '{"data":', headers={"Content-Type": "application/json"},
        status=400, finds={"code": 400, "message": str},
    ),
    # Deleting.
    Case(
        "soft delete",
        "DELETE", "/v1/secrets/shapes/deleted?force=false", finds={"message": re.compile(".*will be removed in about 72 hours.*")},
        given=(("POST", "/v1/secrets/shapes/deleted", {"data": {"a": 1}}),),
    ),
    Case(
        "forced delete",
        "DELETE", "/v1/secrets/shapes/forced?force=true", status=204, finds=None,
        given=(("POST", "/v1/secrets/shapes/forced", {"data": {"a": 1}}),),
    ),
]


@pytest.fixture(scope="module")
def known(vault):
    """A vault with the secret that most cases read."""
    secret = {"data": SECRET["data"], "attributes": SECRET["attributes"], "description": SECRET["description"]}
    vault.create("shapes/known/one", **secret)
    return vault


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_shape(known, case):
    for method, target, body in case.given:
        assert known.call(method, target, body).status in (200, 201)
    body, headers = content(known, case.body)
    if case.auth is not None:
        headers["Authorization"] = case.auth.format(token=known.token)
    reply = known.send(case.method, case.target, headers | case.headers, body)
    assert reply.status == case.status, reply
    if case.finds is None:
        assert reply.body == b""
    else:
        assert reply.headers["content-type"].startswith("application/json")
        assert mismatches(reply.json(), case.finds) == []


def content(vault, body):
    """The body of a case and the headers that belong to it; grants are the admin client's."""
    if body == "GRANT_BODY":
        return vault.grant, {}
    if body == "GRANT_FORM":
        return urlencode(vault.grant), {"Content-Type": "application/x-www-form-urlencoded"}
    if body == "GRANT_PADDED":
        blank = {"username": "", "password": "", "refresh_token": "", "provider": "", "jwt": ""}
        return blank | vault.grant, {}
    return body, {}


def mismatches(found, expected, at="answer"):
    """Everything that is not as expected, by its place."""
    if isinstance(expected, dict) and isinstance(found, dict):
        return [
            mismatch
            for key, value in expected.items()
            for mismatch in mismatches(found.get(key, ABSENT), value, f"{at}.{key}")
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [
            mismatch
            for index, (one, other) in enumerate(zip(found, expected))
            for mismatch in mismatches(one, other, f"{at}[{index}]")
        ]
    if isinstance(expected, re.Pattern):
        fits = isinstance(found, str) and expected.fullmatch(found)
    elif isinstance(expected, type):
        # A bool is an int to Python, but not to the readers of the answer.
        fits = type(found) is expected
    else:
        fits = type(found) is type(expected) and found == expected
    return [] if fits else [f"{at} is {found!r}"]
