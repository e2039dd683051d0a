"""The cloud and the vaults that the tests share."""

import json
import os
import subprocess
from dataclasses import dataclass

import boto3
import pytest

import vault as vaults

REGION = "us-east-1"
TABLE = "mayfly-conformance"
POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"


@dataclass(frozen=True)
class Cloud:
    """What the owner of the AWS account made before there was a vault."""

    access_key: str
    secret_key: str
    user_arn: str
    role_arn: str
    key_arn: str

    @property
    def environment(self):
        """The settings of a process that uses this cloud."""
        url = os.environ["MOTO_URL"]
        return {
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL_DYNAMODB": url,
            "AWS_ENDPOINT_URL_KMS": url,
            "AWS_ENDPOINT_URL_STS": url,
        }


def aws(service, access_key="testing", secret_key="testing", session_token=None):
    """A client of moto."""
    return boto3.client(
        service,
        endpoint_url=os.environ["MOTO_URL"],
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        aws_session_token=session_token,
    )


@pytest.fixture(scope="session")
def cloud():
    """An IAM user with an access key, a role that it may assume, and a key."""
    iam = aws("iam")
    user = iam.create_user(UserName="vault-base")["User"]
    key = iam.create_access_key(UserName="vault-base")["AccessKey"]
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": user["Arn"]}, "Action": "sts:AssumeRole"}],
    }
    role = iam.create_role(RoleName="reader", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    kms_key = aws("kms").create_key(Description="vault")["KeyMetadata"]
    return Cloud(
        access_key=key["AccessKeyId"],
        secret_key=key["SecretAccessKey"],
        user_arn=user["Arn"],
        role_arn=role["Arn"],
        key_arn=kms_key["Arn"],
    )


@pytest.fixture(scope="session")
def table():
    """The table, made from the description that the vault prints of it."""
    command = [vaults.binary("mayfly"), "table", "--name", TABLE]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=vaults.own_environment())
    dynamodb = aws("dynamodb")
    dynamodb.create_table(**json.loads(printed.stdout))
    dynamodb.get_waiter("table_exists").wait(TableName=TABLE)
    return TABLE


@pytest.fixture(scope="session")
def deployed(cloud, table, tmp_path_factory):
    """The functions as they are deployed, on moto's DynamoDB, KMS and STS."""
    directory = tmp_path_factory.mktemp("deployed")
    command = [vaults.binary("gateway"), "--functions", os.environ["MAYFLY_FUNCTIONS"]]
    environment = cloud.environment | {"MAYFLY_TABLE": table, "MAYFLY_KMS_KEY": cloud.key_arn}
    process, vault = vaults.start(command, environment, directory)
    yield vault
    vaults.stop(process)


@pytest.fixture(scope="session")
def local(cloud, tmp_path_factory):
    """The vault of one process, which uses nothing of AWS but STS."""
    directory = tmp_path_factory.mktemp("local")
    command = [vaults.binary("mayfly"), "--ephemeral", "--cloud", "real"]
    environment = {"AWS_REGION": REGION, "AWS_ENDPOINT_URL_STS": os.environ["MOTO_URL"]}
    process, vault = vaults.start(command, environment, directory)
    yield vault
    vaults.stop(process)


@pytest.fixture(scope="session", params=["deployed", "local"])
def vault(request):
    """Each of the vaults in turn."""
    return request.getfixturevalue(request.param)


def pytest_terminal_summary(terminalreporter, exitstatus):
    """Shows the end of each vault's log when something failed."""
    for log in vaults.LOGS if exitstatus else []:
        terminalreporter.section(f"log of the {log.parent.name.rstrip('0123456789')} vault")
        terminalreporter.write_line(log.read_text(errors="replace")[-4000:])
