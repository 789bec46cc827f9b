// Does everything that can be done with the secrets of the vault VAULT_URL, step by
// step, and says in one line what came of each.
import { DefaultAzureCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";

const client = new SecretClient(process.env.VAULT_URL, new DefaultAzureCredential());
const name = "phrase";
const quick = { intervalInMs: 50 };
const say = (step, result) => console.log(`${step}: ${result}`);

async function refused(step, call) {
  try {
    await call();
    say(step, "done");
  } catch (error) {
    say(step, `${error.statusCode} ${error.code}`);
  }
}

async function all(pages) {
  const found = [];
  let count = 0;
  for await (const page of pages.byPage()) {
    found.push(...page);
    count++;
  }
  return { found, count };
}

const versions = async () => (await all(client.listPropertiesOfSecretVersions(name))).found.map((p) => p.version).sort();
const seconds = (date) => date.toISOString().replace(".000", "");
const describe = (p) =>
  `enabled=${p.enabled} type=${p.contentType} from=${seconds(p.notBefore)} to=${seconds(p.expiresOn)} tags=${JSON.stringify(p.tags)}`;

// Versions.
const first = await client.setSecret(name, "first", { contentType: "text/plain", tags: { part: "1" } });
say("set", `${first.value} ${first.properties.contentType} ${first.properties.recoverableDays} ${first.properties.recoveryLevel}`);
const second = await client.setSecret(name, "second");
say("set again", `${second.value} ${second.properties.version !== first.properties.version}`);
say("get", (await client.getSecret(name)).value);
say("get version", (await client.getSecret(name, { version: first.properties.version })).value);
const both = [first.properties.version, second.properties.version].sort().join();
say("versions", (await versions()).join() === both);
await refused("get nothing", () => client.getSecret("nothing"));

// Properties.
const from = new Date("2025-01-01T00:00:00Z");
const to = new Date("2035-01-01T00:00:00Z");
say("update", describe(await client.updateSecretProperties(name, second.properties.version,
  { enabled: false, contentType: "text/html", notBefore: from, expiresOn: to, tags: { part: "2" } })));
await refused("get disabled", () => client.getSecret(name));
say("update again", describe(await client.updateSecretProperties(name, second.properties.version, { enabled: true })));
say("get updated", describe((await client.getSecret(name)).properties));

// Deleted and recovered.
say("delete", (await (await client.beginDeleteSecret(name, quick)).pollUntilDone()).name);
const deleted = await client.getDeletedSecret(name);
say("get deleted", `${deleted.name} ${deleted.value} ${(deleted.scheduledPurgeDate - deleted.deletedOn) / 86400000} days`);
say("list deleted", (await all(client.listDeletedSecrets())).found.map((p) => p.name).join());
await refused("get live", () => client.getSecret(name));
await refused("set deleted", () => client.setSecret(name, "third"));
say("recover", (await (await client.beginRecoverDeletedSecret(name, quick)).pollUntilDone()).name);
say("get recovered", (await client.getSecret(name)).value);

// Backed up, purged and restored.
const backup = await client.backupSecret(name);
say("backup", !Buffer.from(backup).includes("second"));
await refused("restore over", () => client.restoreSecretBackup(backup));
await (await client.beginDeleteSecret(name, quick)).pollUntilDone();
await refused("purge", () => client.purgeDeletedSecret(name));
await refused("get purged", () => client.getDeletedSecret(name));
say("restore", describe(await client.restoreSecretBackup(backup)));
say("get restored", (await client.getSecret(name)).value);
say("versions restored", (await versions()).join() === both);

// A thousand, by many hands, then page by page.
const names = Array.from({ length: 1000 }, (_, i) => `bulk-${String(i).padStart(4, "0")}`);
const queue = [...names];
await Promise.all(Array.from({ length: 16 }, async () => {
  for (let next = queue.pop(); next; next = queue.pop()) await client.setSecret(next, next);
}));
const listed = await all(client.listPropertiesOfSecrets());
say("list", `${listed.found.map((p) => p.name).join() === [...names, name].join()} ${listed.count} pages`);
