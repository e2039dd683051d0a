"""Azure credentials, used with Microsoft's own libraries: the vault and they meet the same cloud, over TLS."""

import asyncio
import base64
import json
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.applications.applications_request_builder import ApplicationsRequestBuilder
from msgraph.generated.models.application import Application
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph_core import GraphClientFactory

import tls
import vault as vaults

GRAPH = "https://graph.microsoft.com/.default"
KINDS = ["azure/existing", "azure/reader", "azure/graph"]


@dataclass(frozen=True)
class Azure:
    """Where the cloud is, whom to trust about that, and what its owner made before there was a vault."""

    host: str
    ca: Path
    key: dict

    def credential(self, client, **options):
        """Microsoft's credential of whoever has this client id and secret."""
        options = {"connection_verify": str(self.ca)} | options
        return ClientSecretCredential(
            self.key["tenantId"],
            client["clientId"],
            client["clientSecret"],
            authority=self.host,
            disable_instance_discovery=True,
            **options,
        )

    def graph(self, credential, asked):
        """What `asked` answers of a Graph client of the credential."""

        async def ask():
            provider = AzureIdentityAuthenticationProvider(credential, scopes=[GRAPH], allowed_hosts=["127.0.0.1"])
            trust = ssl.create_default_context(cafile=self.ca)
            async with httpx.AsyncClient(verify=trust) as plain:
                client = GraphClientFactory.create_with_default_middleware(client=plain)
                adapter = GraphRequestAdapter(provider, client)
                adapter.base_url = f"https://{self.host}/v1.0"
                return await asked(GraphServiceClient(request_adapter=adapter))

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def azure(tmp_path_factory):
    """The sandbox cloud in a process of its own, behind TLS."""
    directory = tmp_path_factory.mktemp("azure")
    command = [vaults.binary("mayfly"), "sandbox", "--port", "0", "--data-dir", directory / "cloud"]
    log = directory / "log"
    vaults.LOGS.append(log)
    with log.open("wb") as errors:
        environment = vaults.own_environment()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    printed = ""
    for line in process.stdout:
        printed += line
        if line == "}\n":
            break
    announced = json.loads(printed)
    ca, own = tls.make_certificates(directory)
    server = tls.proxy(announced["url"], own)
    yield Azure(host="{}:{}".format(*server.server_address), ca=ca, key=announced["azure"])
    server.shutdown()
    server.server_close()
    vaults.stop(process)


@pytest.fixture(scope="module")
def vault(azure, tmp_path_factory):
    """A vault that is told where Azure is, with a base secret and a dynamic one of each kind."""
    endpoints = {f"MAYFLY_AZURE_{service}_ENDPOINT": f"https://{azure.host}" for service in ("LOGIN", "GRAPH", "ARM")}
    command = [vaults.binary("mayfly"), "--ephemeral", "--cloud", "real"]
    directory = tmp_path_factory.mktemp("minting")
    process, vault = vaults.start(command, endpoints | {"SSL_CERT_FILE": str(azure.ca)}, directory)
    key = azure.key
    data = {name: key[name] for name in ("tenantId", "subscriptionId", "clientId", "clientSecret")}
    vault.create("azure/base", data=data, attributes={"type": "azure"})
    link = {"linkConfig": {"linkType": "dynamic", "linkedSecret": "azure:base"}}
    for path, attributes in {
        "azure/token": {"providerType": "token", "scopes": [GRAPH]},
        "azure/existing": {"appId": key["appId"], "appObjectId": key["appObjectId"]},
        "azure/reader": {"roleName": key["roleName"], "scope": key["scope"]},
        "azure/graph": {"msApiType": "msgraph", "resourceId": key["resourceId"], "appRoleId": key["appRoleId"]},
    }.items():
        vault.create(path, data={}, attributes=link | attributes)
    yield vault
    vaults.stop(process)


@pytest.fixture(scope="module")
def base(azure):
    """The base secret's own application."""
    return azure.credential(azure.key)


def minted(vault, path):
    reply = vault.call("GET", f"/v1/secrets/{path}")
    assert reply.status == 200, reply
    return reply.json()["data"]


def claims(token):
    """What an access token says; Microsoft's libraries do not look into it."""
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


@pytest.mark.parametrize("path", KINDS)
def test_minted_secret_signs_in(azure, vault, path):
    client = minted(vault, path)
    token = azure.credential(client).get_token(GRAPH).token
    assert claims(token)["appid"] == client["clientId"]
    assert claims(token)["tid"] == azure.key["tenantId"]


def test_wrong_secret_is_told_as_entra_tells_it(azure, vault):
    client = minted(vault, "azure/existing") | {"clientSecret": "sandbox~wrong"}
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        azure.credential(client).get_token(GRAPH)


def test_certificate_is_checked(azure):
    credential = azure.credential(azure.key, connection_verify=True, retry_total=0)
    with pytest.raises(ClientAuthenticationError, match="CERTIFICATE_VERIFY_FAILED"):
        credential.get_token(GRAPH)


def test_application_role_is_in_the_token(azure, vault, base):
    async def resource(graph):
        return await graph.service_principals.by_service_principal_id(azure.key["resourceId"]).get()

    found = azure.graph(base, resource)
    client = minted(vault, "azure/graph")
    token = azure.credential(client).get_token(f"{found.app_id}/.default").token
    given = [role.value for role in found.app_roles if str(role.id) == azure.key["appRoleId"]]
    assert claims(token)["roles"] == given != []


def test_minted_token_is_one(azure, vault):
    token = minted(vault, "azure/token")["accessToken"]
    assert claims(token)["appid"] == azure.key["clientId"]


def test_minted_principal_may_do_no_more_than_it_was_given(azure, vault):
    async def list_all(graph):
        return await graph.applications.get()

    with pytest.raises(ODataError) as raised:
        azure.graph(azure.credential(minted(vault, "azure/reader")), list_all)
    assert raised.value.response_status_code == 403
    assert raised.value.error.code == "Authorization_RequestDenied"


def test_applications_are_listed_page_by_page(azure, vault, base):
    client = minted(vault, "azure/reader")
    first = ApplicationsRequestBuilder.ApplicationsRequestBuilderGetQueryParameters(top=1)

    async def list_all(graph):
        page = await graph.applications.get(RequestConfiguration(query_parameters=first))
        found = page.value
        while page.odata_next_link:
            page = await graph.applications.with_url(page.odata_next_link).get()
            found += page.value
        return found

    found = {application.app_id: application for application in azure.graph(base, list_all)}
    assert {azure.key["clientId"], azure.key["appId"], client["clientId"]} <= set(found)
    application = found[client["clientId"]]
    assert application.display_name.startswith("dsv-")
    assert [tag.split(":")[0] for tag in application.tags] == ["mayfly"]
    passwords = application.password_credentials
    assert [password.display_name[:7] for password in passwords] == ["mayfly-"]


def test_recycle_bin_lists_what_was_deleted(azure, base):
    async def make_and_delete(graph):
        made = await graph.applications.post(Application(display_name="made by hand"))
        await graph.applications.by_application_id(made.id).delete()
        bin = await graph.directory.deleted_items.graph_application.get()
        await graph.directory.deleted_items.by_directory_object_id(made.id).delete()
        after = await graph.directory.deleted_items.graph_application.get()
        return made.id, {item.id: item for item in bin.value}, {item.id for item in after.value}

    made, bin, after = azure.graph(base, make_and_delete)
    assert bin[made].display_name == "made by hand"
    assert bin[made].deleted_date_time
    assert made not in after
