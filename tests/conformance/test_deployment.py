"""The deployment as Terraform makes it: applied to a stand-in for AWS, and the functions run with what it gave them."""

import base64
import hashlib
import json
import os
import subprocess
import zipfile
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError

import vault as vaults
from conftest import REGION, aws

ROOT = Path(__file__).parents[2]
HTTP_FUNCTIONS = ["access", "crud", "dynamic-read", "token"]
FUNCTIONS = [*HTTP_FUNCTIONS, "lease-worker"]
LENT = "arn:aws:iam::123456789012:role/lent-to-functions"


class Deployment:
    """A copy of infra/aws, and what it has made."""

    def __init__(self, directory):
        self.directory = directory
        subprocess.run([ROOT / ".ci/terraform", "copy", directory], check=True)

    def terraform(self, *arguments):
        """Runs Terraform on the stand-in; gives what it said."""
        done = subprocess.run(
            ["terraform", f"-chdir={self.directory}", *arguments],
            env=os.environ
            | {
                "AWS_ENDPOINT_URL": os.environ["MOTO_URL"],
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
                "TF_IN_AUTOMATION": "1",
            },
            capture_output=True,
            text=True,
        )
        return done

    def apply(self, *arguments):
        """Applies, which must succeed."""
        done = self.terraform("apply", "-auto-approve", "-input=false", "-no-color", *arguments)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]

    @property
    def outputs(self):
        printed = json.loads(self.terraform("output", "-json").stdout)
        return {name: output["value"] for name, output in printed.items()}


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The variables of the deployment, as an operator writes them into a file."""
    file = tmp_path_factory.mktemp("settings") / "mayfly.tfvars.json"
    file.write_text(
        json.dumps(
            {
                "name": "vault",
                "packages": os.environ["MAYFLY_PACKAGES"],
                "architecture": "arm64" if os.uname().machine in ("arm64", "aarch64") else "x86_64",
                "assumable_role_arns": [LENT],
                "direct_invokers": {
                    "reports": {
                        "principal": "roles:admin",
                        "invoker_arns": ["arn:aws:iam::123456789012:role/orchestrator"],
                    }
                },
            }
        )
    )
    return f"-var-file={file}"


@pytest.fixture(scope="module")
def deployment(settings, tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("terraform"))
    deployment.apply(settings)
    return deployment


@pytest.fixture(scope="module")
def environments(deployment):
    """What each function finds in its environment, as the service has it from Terraform."""
    functions = aws("lambda")
    return {
        name: functions.get_function_configuration(FunctionName=f"vault-{name}").get("Environment", {}).get("Variables", {})
        for name in FUNCTIONS
    }


@pytest.fixture(scope="module")
def vault(deployment, environments, cloud, tmp_path_factory):
    """The functions that were packed, with exactly that environment and what the machine adds: keys and endpoints."""
    directory = tmp_path_factory.mktemp("packed")
    for name in FUNCTIONS:
        with zipfile.ZipFile(package(name)) as packed:
            Path(directory, name).write_bytes(packed.read("bootstrap"))
        Path(directory, name).chmod(0o755)
    environment = Path(directory, "environment.json")
    environment.write_text(json.dumps(environments))
    command = [vaults.binary("gateway"), "--functions", directory, "--environment", environment]
    process, vault = vaults.start(command, cloud.environment, directory)
    yield vault
    vaults.stop(process)


def package(name):
    return Path(os.environ["MAYFLY_PACKAGES"], name, "bootstrap.zip")


def test_what_was_packed_is_what_is_deployed(deployment):
    functions = aws("lambda")
    for name in FUNCTIONS:
        deployed = functions.get_function_configuration(FunctionName=f"vault-{name}", Qualifier="live")
        digest = hashlib.sha256(package(name).read_bytes()).digest()
        assert deployed["CodeSha256"] == base64.b64encode(digest).decode(), name
        assert deployed["Runtime"] == "provided.al2023", name


def test_table_is_the_one_that_the_vault_prints(deployment):
    printed = subprocess.run([vaults.binary("mayfly"), "table"], check=True, capture_output=True, text=True)
    wanted = json.loads(printed.stdout)
    table = aws("dynamodb").describe_table(TableName=deployment.outputs["table_name"])["Table"]
    assert table["KeySchema"] == wanted["KeySchema"]
    assert by_name(table["GlobalSecondaryIndexes"]) == by_name(wanted["GlobalSecondaryIndexes"])
    assert table["StreamSpecification"] == wanted["StreamSpecification"]
    assert attributes(table) == attributes(wanted)


def by_name(indexes):
    return {index["IndexName"]: (index["KeySchema"], projection(index["Projection"])) for index in indexes}


def projection(projected):
    return projected["ProjectionType"], sorted(projected["NonKeyAttributes"])


def attributes(definition):
    return {one["AttributeName"]: one["AttributeType"] for one in definition["AttributeDefinitions"]}


def test_no_function_is_told_of_another_endpoint(environments):
    for name, environment in environments.items():
        assert environment["MAYFLY_TABLE"], name
        assert not [variable for variable in environment if "ENDPOINT" in variable], name


def test_sign_in_create_and_dynamic_read(vault, cloud):
    base = {"accessKey": cloud.access_key, "secretKey": cloud.secret_key, "region": REGION}
    vault.create("deployed/base", attributes={"type": "aws"}, data=base)
    link = {"linkType": "dynamic", "linkedSecret": "deployed:base"}
    wanted = {"linkConfig": link, "providerType": "assumeRole", "roleArn": cloud.role_arn, "ttl": 900}
    vault.create("deployed/reader", attributes=wanted)
    reply = vault.call("GET", "/v1/secrets/deployed/reader")
    assert reply.status == 200, reply
    minted = reply.json()["data"]
    session = aws("sts", minted["accessKey"], minted["secretKey"], minted["sessionToken"])
    assert ":assumed-role/reader/" in session.get_caller_identity()["Arn"]


def test_keyless_base_assumes_the_roles_that_the_deployment_lists(vault, cloud):
    vault.create("deployed/keyless", attributes={"type": "aws", "allowedRoleArns": [LENT]}, data={"credentialSource": "function"})
    link = {"linkType": "dynamic", "linkedSecret": "deployed:keyless"}
    wanted = {"linkConfig": link, "providerType": "assumeRole", "roleArn": LENT, "ttl": 900}
    vault.create("deployed/lent", attributes=wanted)
    reply = vault.call("GET", "/v1/secrets/deployed/lent")
    assert reply.status == 200, reply
    other = {"type": "aws", "allowedRoleArns": [cloud.role_arn]}
    refused = vault.call("POST", "/v1/secrets/deployed/other", {"attributes": other, "data": {"credentialSource": "function"}})
    assert refused.status == 400, refused
    assert "allowedRoleArns" in refused.json()["message"]


def test_direct_invocation_acts_as_the_principal_of_its_alias(vault):
    vault.create("deployed/plain", data={"word": "open"})
    functions = boto3.client(
        "lambda",
        endpoint_url=vault.url,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )

    def invoke(alias):
        payload = json.dumps({"path": "deployed:plain"})
        answer = functions.invoke(FunctionName="vault-dynamic-read", Qualifier=alias, Payload=payload)
        return answer.get("FunctionError"), json.loads(answer["Payload"].read())

    failed, answer = invoke("reports")
    assert not failed, answer
    assert answer["data"] == {"word": "open"}
    failed, answer = invoke("live")
    assert failed, answer


def test_rendered_policies_are_what_the_roles_have(deployment):
    iam = aws("iam")
    rendered = deployment.outputs["policies"]
    for name in FUNCTIONS:
        policy = iam.get_role_policy(RoleName=f"vault-{name}", PolicyName="vault")
        document = rendered[name] if isinstance(rendered[name], dict) else json.loads(rendered[name])
        assert policy["PolicyDocument"] == document, name
    # Compared with what the functions call by the test `privileges`.
    documents = {name: json.loads(text) if isinstance(text, str) else text for name, text in rendered.items()}
    Path(os.environ["MAYFLY_RENDERED_POLICIES"]).write_text(json.dumps(documents))


def test_the_printed_command_makes_the_first_admin(deployment):
    command = deployment.outputs["first_admin_command"]
    assert "vault-token" in command and "bootstrap" in command


def test_destroying_keeps_table_and_key_unless_told_twice(vault, deployment, settings):
    outputs = deployment.outputs
    once = deployment.terraform("destroy", "-auto-approve", "-input=false", "-no-color", settings)
    assert once.returncode != 0, "the table was not protected"
    assert aws("dynamodb").describe_table(TableName=outputs["table_name"])["Table"]["TableStatus"] == "ACTIVE"
    assert aws("kms").describe_key(KeyId=outputs["key_arn"])["KeyMetadata"]["KeyState"] == "Enabled"

    deployment.apply(settings, "-var=protect_data=false")
    twice = deployment.terraform("destroy", "-auto-approve", "-input=false", "-no-color", settings, "-var=protect_data=false")
    assert twice.returncode == 0, twice.stdout[-4000:] + twice.stderr[-4000:]
    with pytest.raises(ClientError, match="ResourceNotFound"):
        aws("dynamodb").describe_table(TableName=outputs["table_name"])
