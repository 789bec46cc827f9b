"""Reads the secret SECRET of the vault VAULT_URL as the machine's own identity:
first with the default chain, then with the managed identity asked for by name
and, when CLIENT_ID is set, with that user-assigned identity. In a pod, which has a
token file, it is the default chain alone."""

import os

from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient


def read(name, credential):
    client = SecretClient(vault_url=os.environ["VAULT_URL"], credential=credential)
    print(f"{name}: {client.get_secret(os.environ['SECRET']).value}")


read("default", DefaultAzureCredential())
if "AZURE_FEDERATED_TOKEN_FILE" not in os.environ:
    read("managed", ManagedIdentityCredential())
    if client_id := os.environ.get("CLIENT_ID"):
        read("user", ManagedIdentityCredential(client_id=client_id))
