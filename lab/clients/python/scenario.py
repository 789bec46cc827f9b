"""Does everything that can be done with the secrets of the vault VAULT_URL, step by
step, and says in one line what came of each."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

client = SecretClient(os.environ["VAULT_URL"], DefaultAzureCredential())
name = "phrase"
quick = {"_polling_interval": 0.05}


def say(step, result):
    print(f"{step}: {str(result).lower() if isinstance(result, bool) else result}")


def refused(step, call, *args):
    try:
        call(*args)
        say(step, "done")
    except HttpResponseError as e:
        say(step, f"{e.status_code} {e.error.code}")


def versions():
    return sorted(p.version for p in client.list_properties_of_secret_versions(name))


def describe(p):
    enabled = str(p.enabled).lower()
    seconds = "%Y-%m-%dT%H:%M:%SZ"
    tags = json.dumps(p.tags, separators=(",", ":"))
    return (f"enabled={enabled} type={p.content_type} from={p.not_before.strftime(seconds)} "
            f"to={p.expires_on.strftime(seconds)} tags={tags}")


# Versions.
first = client.set_secret(name, "first", content_type="text/plain", tags={"part": "1"})
say("set", f"{first.value} {first.properties.content_type} {first.properties.recoverable_days} {first.properties.recovery_level.value}")
second = client.set_secret(name, "second")
say("set again", f"{second.value} {str(second.properties.version != first.properties.version).lower()}")
say("get", client.get_secret(name).value)
say("get version", client.get_secret(name, first.properties.version).value)
both = sorted([first.properties.version, second.properties.version])
say("versions", versions() == both)
refused("get nothing", client.get_secret, "nothing")

# Properties.
since, until = datetime(2025, 1, 1, tzinfo=timezone.utc), datetime(2035, 1, 1, tzinfo=timezone.utc)
say("update", describe(client.update_secret_properties(
    name, second.properties.version, enabled=False, content_type="text/html", not_before=since, expires_on=until, tags={"part": "2"})))
refused("get disabled", client.get_secret, name)
say("update again", describe(client.update_secret_properties(name, second.properties.version, enabled=True)))
say("get updated", describe(client.get_secret(name).properties))

# Deleted and recovered.
say("delete", client.begin_delete_secret(name, **quick).result().name)
deleted = client.get_deleted_secret(name)
say("get deleted", f"{deleted.name} {getattr(deleted, 'value', 'undefined')} {(deleted.scheduled_purge_date - deleted.deleted_date).days} days")
say("list deleted", ",".join(d.name for d in client.list_deleted_secrets()))
refused("get live", client.get_secret, name)
refused("set deleted", client.set_secret, name, "third")
say("recover", client.begin_recover_deleted_secret(name, **quick).result().name)
say("get recovered", client.get_secret(name).value)

# Backed up, purged and restored.
backup = client.backup_secret(name)
say("backup", b"second" not in backup)
refused("restore over", client.restore_secret_backup, backup)
client.begin_delete_secret(name, **quick).wait()
refused("purge", client.purge_deleted_secret, name)
refused("get purged", client.get_deleted_secret, name)
say("restore", describe(client.restore_secret_backup(backup)))
say("get restored", client.get_secret(name).value)
say("versions restored", versions() == both)

# A thousand, by many hands, then page by page.
names = [f"bulk-{i:04}" for i in range(1000)]
with ThreadPoolExecutor(8) as hands:
    list(hands.map(lambda n: client.set_secret(n, n), names))
pages = [[p.name for p in page] for page in client.list_properties_of_secrets().by_page()]
say("list", f"{str(sum(pages, []) == [*names, name]).lower()} {len(pages)} pages")
