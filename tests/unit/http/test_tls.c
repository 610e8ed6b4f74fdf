#include "unit/test.h"

#include <curl/curl.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "http/curl_priv.h"

/* The texts are those of libcurl 7.88 with OpenSSL 3.0, seen with Go's server (dockerd 20.10). */
static void troubles(void **state)
{
	static const struct {
		const char *name;
		CURLcode rc;
		long verify;
		const char *text;
		bool has_cert;
		enum http_tls_trouble wants;
		enum err_kind kind;
		const char *message;
	} rows[] = {
		{ "refused", CURLE_COULDNT_CONNECT, 0, "", false, HTTP_TLS_FINE, ERR_NONE, NULL },
		{ "time", CURLE_OPERATION_TIMEDOUT, 0, "", false, HTTP_TLS_FINE, ERR_NONE, NULL },
		{ "broken", CURLE_RECV_ERROR, 0, "Recv failure: Connection reset by peer", false,
		        HTTP_TLS_FINE, ERR_NONE, NULL },
		{ "plain", CURLE_SSL_CONNECT_ERROR, 0,
		        "error:0A00010B:SSL routines::wrong version number", false, HTTP_TLS_NO_TLS,
		        ERR_PROTOCOL, "speaks no TLS" },
		{ "expired", CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_HAS_EXPIRED, "", false,
		        HTTP_TLS_EXPIRED, ERR_DENIED, "its certificate has expired" },
		{ "early", CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_NOT_YET_VALID, "", false,
		        HTTP_TLS_NOT_YET_VALID, ERR_DENIED, "not valid yet" },
		{ "another CA", CURLE_PEER_FAILED_VERIFICATION,
		        X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "", false,
		        HTTP_TLS_UNKNOWN_CA, ERR_DENIED, "none of the CAs in /ca.pem" },
		{ "another CA of that name", CURLE_PEER_FAILED_VERIFICATION,
		        X509_V_ERR_CERT_SIGNATURE_FAILURE, "", false, HTTP_TLS_UNKNOWN_CA,
		        ERR_DENIED, "none of the CAs in /ca.pem" },
		{ "self-signed", CURLE_PEER_FAILED_VERIFICATION,
		        X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "", false, HTTP_TLS_UNKNOWN_CA,
		        ERR_DENIED, "none of the CAs" },
		{ "name", CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_UNSPECIFIED,
		        "SSL: no alternative certificate subject name matches target host name "
		        "'x'",
		        false, HTTP_TLS_WRONG_NAME, ERR_DENIED,
		        "for another name: SSL: no alternative" },
		{ "else", CURLE_PEER_FAILED_VERIFICATION, X509_V_ERR_CERT_REVOKED, "revoked", false,
		        HTTP_TLS_BAD_CERT, ERR_DENIED, "cannot be trusted: revoked" },
		{ "no client certificate, TLS 1.3", CURLE_RECV_ERROR, 0,
		        "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate "
		        "required, errno 0",
		        false, HTTP_TLS_WANTS_CERT, ERR_DENIED, "wants a client certificate" },
		{ "no client certificate, older Go", CURLE_RECV_ERROR, 0,
		        "OpenSSL SSL_read: error:0A000412:SSL routines::sslv3 alert bad "
		        "certificate, errno 0",
		        false, HTTP_TLS_WANTS_CERT, ERR_DENIED, "wants a client certificate" },
		{ "a client certificate of another CA", CURLE_RECV_ERROR, 0,
		        "OpenSSL SSL_read: error:0A000412:SSL routines::sslv3 alert bad "
		        "certificate, errno 0",
		        true, HTTP_TLS_REFUSES_CERT, ERR_DENIED,
		        "does not accept the client certificate /cert.pem: OpenSSL" },
		{ "unknown CA", CURLE_RECV_ERROR, 0, "x tlsv1 alert unknown ca, errno 0", true,
		        HTTP_TLS_REFUSES_CERT, ERR_DENIED, "does not accept" },
		{ "on sending", CURLE_SEND_ERROR, 0, "x alert certificate expired", true,
		        HTTP_TLS_REFUSES_CERT, ERR_DENIED, "does not accept" },
		{ "a key of another certificate", CURLE_SSL_CERTPROBLEM, 0, "key values mismatch",
		        true, HTTP_TLS_BAD_OWN_CERT, ERR_USAGE, "/cert.pem and its key: key" },
		{ "no CA", CURLE_SSL_CACERT_BADFILE, 0, "no start line", false,
		        HTTP_TLS_BAD_CA_FILE, ERR_USAGE, "the CA file /ca.pem: no start" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct http_tls tls = { .ca = "/ca.pem",
			.cert = rows[i].has_cert ? "/cert.pem" : NULL };
		enum http_tls_trouble got =
		        http_tls_trouble_of(rows[i].rc, rows[i].verify, rows[i].text, &tls);
		struct err e = ERR_INIT;

		if (got != rows[i].wants)
			fail_msg("%s: %d", rows[i].name, got);
		if (got == HTTP_TLS_FINE)
			continue;
		if (http_tls_error(got, rows[i].text, &tls, &e) != -1 || e.kind != rows[i].kind ||
		        !strstr(e.msg, rows[i].message))
			fail_msg("%s: %s '%s'", rows[i].name, err_kind_name(e.kind), e.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(troubles),
	};

	return cmocka_run_group_tests_name("http/tls", tests, NULL, NULL);
}
