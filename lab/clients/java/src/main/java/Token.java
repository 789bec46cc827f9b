import com.azure.core.credential.TokenRequestContext;
import com.azure.identity.ManagedIdentityCredentialBuilder;

/**
 * Asks for a token of Key Vault as the user-assigned identity AZURE_CLIENT_ID, once.
 * A vault's client would ask again: it takes an identity that fails for a bad connection.
 */
public final class Token {
    public static void main(String[] args) {
        var credential = new ManagedIdentityCredentialBuilder().clientId(System.getenv("AZURE_CLIENT_ID")).build();
        credential.getTokenSync(new TokenRequestContext().addScopes("https://vault.azure.net/.default"));
        System.out.println("a token");
    }
}
