// Reads the secret SECRET of the vault VAULT_URL as the machine's own identity:
// first with the default chain, then with the managed identity asked for by name
// and, when CLIENT_ID is set, with that user-assigned identity. In a pod, which has a
// token file, it is the default chain alone.
import { DefaultAzureCredential, ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

async function read(name, credential) {
  const client = new SecretClient(process.env.VAULT_URL, credential);
  const secret = await client.getSecret(process.env.SECRET);
  console.log(`${name}: ${secret.value}`);
}

await read("default", new DefaultAzureCredential());
if (!process.env.AZURE_FEDERATED_TOKEN_FILE) {
  await read("managed", new ManagedIdentityCredential());
  if (process.env.CLIENT_ID) {
    await read("user", new ManagedIdentityCredential({ clientId: process.env.CLIENT_ID }));
  }
}
