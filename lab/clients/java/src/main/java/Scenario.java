import com.azure.core.exception.HttpResponseException;
import com.azure.core.http.rest.PagedResponse;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import com.azure.security.keyvault.secrets.models.DeletedSecret;
import com.azure.security.keyvault.secrets.models.KeyVaultSecret;
import com.azure.security.keyvault.secrets.models.SecretProperties;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Does everything that can be done with the secrets of the vault VAULT_URL, step by
 * step, and says in one line what came of each.
 */
public final class Scenario {
    private static final String NAME = "phrase";
    private static final Duration QUICK = Duration.ofMillis(50);

    private final SecretClient client = new SecretClientBuilder()
        .vaultUrl(System.getenv("VAULT_URL"))
        .credential(new DefaultAzureCredentialBuilder().build())
        .buildClient();

    public static void main(String[] args) throws Exception {
        Scenario scenario = new Scenario();
        List<String> both = scenario.versions();
        scenario.deletion();
        scenario.backup(both);
        scenario.pages();
    }

    private List<String> versions() {
        KeyVaultSecret first = client.setSecret(new KeyVaultSecret(NAME, "first")
            .setProperties(new SecretProperties().setContentType("text/plain").setTags(Map.of("part", "1"))));
        say("set", first.getValue() + " " + first.getProperties().getContentType() + " "
            + first.getProperties().getRecoverableDays() + " " + first.getProperties().getRecoveryLevel());
        KeyVaultSecret second = client.setSecret(NAME, "second");
        String old = first.getProperties().getVersion();
        String current = second.getProperties().getVersion();
        say("set again", second.getValue() + " " + !current.equals(old));
        say("get", client.getSecret(NAME).getValue());
        say("get version", client.getSecret(NAME, old).getValue());
        List<String> both = Stream.of(old, current).sorted().collect(Collectors.toList());
        say("versions", listVersions().equals(both));
        refused("get nothing", () -> client.getSecret("nothing"));

        say("update", describe(client.updateSecretProperties(second.getProperties()
            .setEnabled(false)
            .setContentType("text/html")
            .setNotBefore(OffsetDateTime.parse("2025-01-01T00:00:00Z"))
            .setExpiresOn(OffsetDateTime.parse("2035-01-01T00:00:00Z"))
            .setTags(Map.of("part", "2")))));
        refused("get disabled", () -> client.getSecret(NAME));
        say("update again", describe(client.updateSecretProperties(second.getProperties().setEnabled(true))));
        say("get updated", describe(client.getSecret(NAME).getProperties()));
        return both;
    }

    private void deletion() {
        delete();
        say("delete", NAME);
        DeletedSecret deleted = client.getDeletedSecret(NAME);
        say("get deleted", deleted.getName() + " " + (deleted.getValue() == null ? "undefined" : deleted.getValue()) + " "
            + Duration.between(deleted.getDeletedOn(), deleted.getScheduledPurgeDate()).toDays() + " days");
        say("list deleted", client.listDeletedSecrets().stream().map(DeletedSecret::getName).collect(Collectors.joining(",")));
        refused("get live", () -> client.getSecret(NAME));
        refused("set deleted", () -> client.setSecret(NAME, "third"));
        say("recover", client.beginRecoverDeletedSecret(NAME).setPollInterval(QUICK).waitForCompletion().getValue().getName());
        say("get recovered", client.getSecret(NAME).getValue());
    }

    private void backup(List<String> both) {
        byte[] backup = client.backupSecret(NAME);
        say("backup", !new String(backup, StandardCharsets.ISO_8859_1).contains("second"));
        refused("restore over", () -> client.restoreSecretBackup(backup));
        delete();
        refused("purge", () -> client.purgeDeletedSecret(NAME));
        refused("get purged", () -> client.getDeletedSecret(NAME));
        say("restore", describe(client.restoreSecretBackup(backup).getProperties()));
        say("get restored", client.getSecret(NAME).getValue());
        say("versions restored", listVersions().equals(both));
    }

    /** A thousand, by many hands, then page by page. */
    private void pages() throws Exception {
        List<String> names = IntStream.range(0, 1000).mapToObj(i -> String.format("bulk-%04d", i)).collect(Collectors.toList());
        List<Callable<KeyVaultSecret>> sets = new ArrayList<>();
        names.forEach(n -> sets.add(() -> client.setSecret(n, n)));
        var hands = Executors.newFixedThreadPool(16);
        try {
            for (Future<KeyVaultSecret> set : hands.invokeAll(sets)) {
                set.get();
            }
        } finally {
            hands.shutdown();
        }
        List<String> listed = new ArrayList<>();
        int count = 0;
        for (PagedResponse<SecretProperties> page : client.listPropertiesOfSecrets().iterableByPage()) {
            page.getValue().forEach(p -> listed.add(p.getName()));
            count++;
        }
        names.add(NAME);
        say("list", listed.equals(names) + " " + count + " pages");
    }

    private void delete() {
        client.beginDeleteSecret(NAME).setPollInterval(QUICK).waitForCompletion();
    }

    private List<String> listVersions() {
        return client.listPropertiesOfSecretVersions(NAME).stream().map(SecretProperties::getVersion).sorted().collect(Collectors.toList());
    }

    private static String describe(SecretProperties p) {
        String tags = p.getTags().entrySet().stream().map(t -> "\"" + t.getKey() + "\":\"" + t.getValue() + "\"").collect(Collectors.joining(",", "{", "}"));
        return "enabled=" + p.isEnabled() + " type=" + p.getContentType() + " from=" + p.getNotBefore().toInstant()
            + " to=" + p.getExpiresOn().toInstant() + " tags=" + tags;
    }

    private static void say(String step, Object result) {
        System.out.println(step + ": " + result);
    }

    private static void refused(String step, Runnable call) {
        try {
            call.run();
            say(step, "done");
        } catch (HttpResponseException e) {
            Map<?, ?> body = (Map<?, ?>) e.getValue();
            Object error = body.get("error") == null ? body : body.get("error");
            say(step, e.getResponse().getStatusCode() + " " + ((Map<?, ?>) error).get("code"));
        }
    }
}
