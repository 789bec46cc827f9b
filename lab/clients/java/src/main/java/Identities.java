import com.azure.core.credential.TokenCredential;
import com.azure.core.credential.TokenRequestContext;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Properties;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads the secret SECRET of the vault VAULT_URL with each way that the SDK has to
 * name a managed identity, and by the default chain. For each it prints whose token
 * it was (the object id) and what the secret is, or what failed. The identity is
 * named by CLIENT_ID, OBJECT_ID and RESOURCE_ID.
 */
public final class Identities {
    private static final Pattern OBJECT_ID = Pattern.compile("\"oid\":\"([^\"]+)\"");

    public static void main(String[] args) throws IOException {
        System.out.println("version: azure-identity " + version());
        read("system-assigned", () -> new ManagedIdentityCredentialBuilder().build());
        read("client id", () -> new ManagedIdentityCredentialBuilder().clientId(System.getenv("CLIENT_ID")).build());
        read("object id", () -> new ManagedIdentityCredentialBuilder().objectId(System.getenv("OBJECT_ID")).build());
        read("resource id", () -> new ManagedIdentityCredentialBuilder().resourceId(System.getenv("RESOURCE_ID")).build());
        read("default", () -> new DefaultAzureCredentialBuilder().build());
    }

    private static void read(String name, Supplier<TokenCredential> make) {
        String result;
        try {
            TokenCredential credential = make.get();
            TokenRequestContext request = new TokenRequestContext().addScopes(System.getenv("VAULT_SCOPE"));
            String token = credential.getTokenSync(request).getToken();
            SecretClient client = new SecretClientBuilder()
                .vaultUrl(System.getenv("VAULT_URL"))
                .credential(credential)
                .buildClient();
            result = objectId(token) + " " + client.getSecret(System.getenv("SECRET")).getValue();
        } catch (RuntimeException e) {
            result = "failed: " + String.valueOf(e.getMessage()).replaceAll("\\s+", " ");
        }
        System.out.println(name + ": " + result);
    }

    private static String objectId(String token) {
        byte[] payload = Base64.getUrlDecoder().decode(token.split("\\.")[1]);
        Matcher claim = OBJECT_ID.matcher(new String(payload, StandardCharsets.UTF_8));
        return claim.find() ? claim.group(1) : "none";
    }

    private static String version() throws IOException {
        Properties properties = new Properties();
        try (InputStream in = Identities.class.getResourceAsStream("/META-INF/maven/com.azure/azure-identity/pom.properties")) {
            properties.load(in);
        }
        return properties.getProperty("version");
    }
}
