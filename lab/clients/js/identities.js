// Reads the secret SECRET of the vault VAULT_URL with each way that the SDK has to
// name a managed identity, and by the default chain. For each it prints whose token
// it was (the object id) and what the secret is, or what failed. The identity is
// named by CLIENT_ID, OBJECT_ID and RESOURCE_ID.
import { readFileSync } from "node:fs";
import { DefaultAzureCredential, ManagedIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

const { CLIENT_ID: clientId, OBJECT_ID: objectId, RESOURCE_ID: resourceId, SECRET, VAULT_SCOPE, VAULT_URL } = process.env;
const sdk = JSON.parse(readFileSync(new URL("./node_modules/@azure/identity/package.json", import.meta.url)));
console.log(`version: ${sdk.name} ${sdk.version}`);

async function read(name, make) {
  try {
    const credential = make();
    const { token } = await credential.getToken(VAULT_SCOPE);
    const { oid } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    const secret = await new SecretClient(VAULT_URL, credential).getSecret(SECRET);
    console.log(`${name}: ${oid} ${secret.value}`);
  } catch (error) {
    console.log(`${name}: failed: ${error.message.replace(/\s+/g, " ")}`);
  }
}

await read("system-assigned", () => new ManagedIdentityCredential());
await read("client id", () => new ManagedIdentityCredential({ clientId }));
await read("object id", () => new ManagedIdentityCredential({ objectId }));
await read("resource id", () => new ManagedIdentityCredential({ resourceId }));
await read("default", () => new DefaultAzureCredential());
