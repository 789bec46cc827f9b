"""Reads the secret SECRET of the vault VAULT_URL with each way that the SDK has to
name a managed identity, and by the default chain. For each it prints whose token it
was (the object id) and what the secret is, or what failed. The identity is named by
CLIENT_ID, OBJECT_ID and RESOURCE_ID."""

import base64
import json
import os
from importlib.metadata import version

from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient


def read(name, make):
    try:
        credential = make()
        payload = credential.get_token(os.environ["VAULT_SCOPE"]).token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        client = SecretClient(vault_url=os.environ["VAULT_URL"], credential=credential)
        print(f"{name}: {claims['oid']} {client.get_secret(os.environ['SECRET']).value}")
    except (AzureError, ValueError) as error:
        print(f"{name}: failed: {' '.join(str(error).split())}")


print("version: azure-identity", version("azure-identity"))
read("system-assigned", ManagedIdentityCredential)
read("client id", lambda: ManagedIdentityCredential(client_id=os.environ["CLIENT_ID"]))
read("object id", lambda: ManagedIdentityCredential(identity_config={"object_id": os.environ["OBJECT_ID"]}))
read("resource id", lambda: ManagedIdentityCredential(identity_config={"resource_id": os.environ["RESOURCE_ID"]}))
read("default", DefaultAzureCredential)
