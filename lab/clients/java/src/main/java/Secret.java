import com.azure.core.credential.TokenCredential;
import com.azure.identity.DefaultAzureCredentialBuilder;
import com.azure.identity.ManagedIdentityCredentialBuilder;
import com.azure.security.keyvault.secrets.SecretClient;
import com.azure.security.keyvault.secrets.SecretClientBuilder;

/**
 * Reads the secret SECRET of the vault VAULT_URL as the machine's own identity:
 * first with the default chain, then with the managed identity asked for by name
 * and, when CLIENT_ID is set, with that user-assigned identity. In a pod, which has a
 * token file, it is the default chain alone.
 */
public final class Secret {
    public static void main(String[] args) {
        read("default", new DefaultAzureCredentialBuilder().build());
        if (System.getenv("AZURE_FEDERATED_TOKEN_FILE") != null) {
            return;
        }
        read("managed", new ManagedIdentityCredentialBuilder().build());
        String clientId = System.getenv("CLIENT_ID");
        if (clientId != null && !clientId.isEmpty()) {
            read("user", new ManagedIdentityCredentialBuilder().clientId(clientId).build());
        }
    }

    private static void read(String name, TokenCredential credential) {
        SecretClient client = new SecretClientBuilder()
            .vaultUrl(System.getenv("VAULT_URL"))
            .credential(credential)
            .buildClient();
        System.out.println(name + ": " + client.getSecret(System.getenv("SECRET")).getValue());
    }
}
