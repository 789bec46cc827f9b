import java.net.Socket;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/** Shakes hands, under the JVM's own trust, with 127.0.0.1:PORT as each of the hosts named. */
class Handshake {
    public static void main(String[] args) throws Exception {
        int port = Integer.parseInt(args[0]);
        SSLSocketFactory factory = (SSLSocketFactory) SSLSocketFactory.getDefault();
        for (int i = 1; i < args.length; i++) {
            try (SSLSocket socket = (SSLSocket) factory.createSocket(new Socket("127.0.0.1", port), args[i], port, true)) {
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                socket.startHandshake();
                System.out.println("accepted " + args[i]);
            } catch (javax.net.ssl.SSLException refused) {
                System.out.println("refused " + args[i] + ": " + refused.getMessage());
            }
        }
    }
}
