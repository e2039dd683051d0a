"""Dynamic secrets, read with the published Python client and used with the AWS SDK."""

import re

import pytest
from delinea.secrets.vault import (
    AccessTokenAuthorizer,
    PasswordGrantAuthorizer,
    SecretsVault,
    SecretsVaultAccessError,
    VaultSecret,
)

from conftest import POLICY, REGION, aws

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def base(vault, cloud):
    """A base secret that holds the user's key."""
    data = {"accessKey": cloud.access_key, "secretKey": cloud.secret_key, "region": REGION}
    return vault.create("aws/base", data=data, attributes={"type": "aws"})


@pytest.fixture(scope="module")
def role_secret(vault, base, cloud):
    """A dynamic secret that assumes the role."""
    return vault.create("aws/reader", data={}, attributes=dynamic("assumeRole", roleArn=cloud.role_arn))


@pytest.fixture(scope="module")
def federated_secret(vault, base):
    """A dynamic secret that federates under a policy."""
    return vault.create("aws/federated", data={}, attributes=dynamic("federate", policyArn=POLICY))


@pytest.fixture
def client(vault):
    """The published client, which is told where the vault is by its URL alone."""
    return SecretsVault(vault.url, PasswordGrantAuthorizer(vault.url, vault.client_id, vault.client_secret))


def dynamic(provider_type, **parameters):
    link = {"linkType": "dynamic", "linkedSecret": "aws:base"}
    return {"linkConfig": link, "providerType": provider_type, "ttl": 900, **parameters}


def identity(data):
    """Who the holder of these credentials is, as AWS sees it."""
    sts = aws("sts", data["accessKey"], data["secretKey"], data["sessionToken"])
    return sts.get_caller_identity()["Arn"]


def test_client_reads_what_was_written(client, cloud, base):
    secret = VaultSecret(**client.get_secret("aws/base"))
    assert secret.id == base["id"] and len(secret.id) == 36
    assert secret.path == "aws:base"
    assert secret.data["accessKey"] == cloud.access_key
    assert secret.last_modified >= secret.created


def test_assumed_role_is_what_aws_sees(client, role_secret, cloud):
    secret = client.get_secret("aws/reader")
    data = secret["data"]
    assert set(data) == {"accessKey", "secretKey", "sessionToken", "expiration", "ttl"}
    assert data["ttl"] == 900
    assert INSTANT.fullmatch(data["expiration"])
    role = cloud.role_arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
    assert identity(data).startswith(role + "/")


def test_every_read_mints_anew(client, role_secret):
    first, second = client.get_secret("aws/reader"), client.get_secret("aws:reader")
    assert first["data"]["accessKey"] != second["data"]["accessKey"]
    assert first["version"] == second["version"] == role_secret["version"]


def test_federation_gives_a_session(client, federated_secret):
    data = client.get_secret("aws/federated")["data"]
    assert set(data) == {"accessKey", "secretKey", "sessionToken", "expiration", "ttl"}
    assert data["ttl"] == 900
    assert INSTANT.fullmatch(data["expiration"])
    # moto gives every federation the same key, whose owner it does not know: only that it is taken can be seen.
    assert identity(data)


@pytest.mark.parametrize("tail", ["::description", "?edit=true"])
def test_looking_at_a_dynamic_secret_does_not_mint(vault, role_secret, tail):
    reply = vault.call("GET", f"/v1/secrets/aws/reader{tail}")
    assert reply.status == 200
    assert not reply.json().get("data")


def test_dynamic_secrets_are_found_by_their_base(vault, role_secret, federated_secret):
    reply = vault.call("GET", "/v1/secrets?searchTerm=aws:base&search.links=true")
    assert {item["path"] for item in reply.json()["data"]} == {"aws:reader", "aws:federated"}


def test_base_in_use_is_not_deleted(vault, role_secret):
    reply = vault.call("DELETE", "/v1/secrets/aws/base")
    assert reply.status == 400
    assert reply.json()["code"] == 400


def test_client_with_a_token_reads(vault, base):
    authorizer = AccessTokenAuthorizer(vault.token)
    assert SecretsVault(vault.url, authorizer).get_secret("aws/base")["path"] == "aws:base"


def test_client_gets_the_message_of_a_missing_secret(client):
    with pytest.raises(SecretsVaultAccessError) as raised:
        client.get_secret("aws/none")
    assert raised.value.message == "unable to find item with specified identifier"


def test_client_gets_the_message_of_a_refused_grant(vault):
    authorizer = PasswordGrantAuthorizer(vault.url, vault.client_id, "wrong")
    with pytest.raises(SecretsVaultAccessError) as raised:
        SecretsVault(vault.url, authorizer).get_secret("aws/base")
    assert raised.value.message == "unable to authenticate"
