"""Reads the secret SECRET of the vault VAULT_URL, runs the command BETWEEN, and reads
it again with the same client and credential."""

import os
import subprocess

from azure.identity import ManagedIdentityCredential
from azure.keyvault.secrets import SecretClient

client = SecretClient(vault_url=os.environ["VAULT_URL"], credential=ManagedIdentityCredential())
print("before:", client.get_secret(os.environ["SECRET"]).value)
subprocess.run(os.environ["BETWEEN"], shell=True, check=True, stdout=subprocess.DEVNULL)
print("after:", client.get_secret(os.environ["SECRET"]).value)
