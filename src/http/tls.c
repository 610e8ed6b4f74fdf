/*
 * TLS of the blocking client
 *
 * libcurl tells most failures of TLS with one of three codes; which it was stands in the verify
 * result of OpenSSL and in the text of the error.  A server that refuses our certificate says so
 * in an alert.  With TLS 1.3 it comes after the handshake, as a failure to receive (RFC 8446,
 * 4.4.2.4), and its text is OpenSSL's name of the alert.
 */

#include <openssl/x509_vfy.h>
#include <string.h>

#include "http/curl_priv.h"

void http_tls_options(CURL *h, const struct http_tls *tls)
{
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (tls->ca) {
		curl_easy_setopt(h, CURLOPT_CAINFO, tls->ca);
		curl_easy_setopt(h, CURLOPT_CAPATH, NULL); /* or the system's would count too */
	}
	if (tls->cert && tls->key) {
		curl_easy_setopt(h, CURLOPT_SSLCERT, tls->cert);
		curl_easy_setopt(h, CURLOPT_SSLKEY, tls->key);
		curl_easy_setopt(h, CURLOPT_KEYPASSWD, ""); /* or OpenSSL would ask for one */
	}
	if (tls->no_verify) {
		curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

static enum http_tls_trouble of_verify(long verify)
{
	switch (verify) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return HTTP_TLS_WRONG_NAME;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return HTTP_TLS_EXPIRED;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return HTTP_TLS_NOT_YET_VALID;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE: /* another CA of the same name */
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return HTTP_TLS_UNKNOWN_CA;
	default:
		return HTTP_TLS_BAD_CERT;
	}
}

static bool says(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strstr(text, *words))
			return true;
	return false;
}

/* The alerts of RFC 8446, 6.2, that are about certificates; Go's server sends the first two for
 * a certificate that it did not get. */
static enum http_tls_trouble of_text(const char *text, const struct http_tls *tls)
{
	static const char *const wants[] = { "alert certificate required", "alert bad certificate",
		"alert handshake failure", NULL };
	static const char *const refuses[] = { "alert unknown ca", "alert certificate expired",
		"alert certificate revoked", "alert certificate unknown",
		"alert unsupported certificate", "alert access denied", "alert decrypt error",
		NULL };
	static const char *const plain[] = { "wrong version number", "packet length too long",
		"unknown protocol", "http request", NULL };

	if (says(text, wants))
		return tls->cert ? HTTP_TLS_REFUSES_CERT : HTTP_TLS_WANTS_CERT;
	if (says(text, refuses))
		return HTTP_TLS_REFUSES_CERT;
	return says(text, plain) ? HTTP_TLS_NO_TLS : HTTP_TLS_FINE;
}

enum http_tls_trouble http_tls_trouble_of(
        CURLcode rc, long verify, const char *text, const struct http_tls *tls)
{
	switch ((int)rc) {
	case CURLE_PEER_FAILED_VERIFICATION:
		/* curl compares the names itself, before it takes OpenSSL's result. */
		return strstr(text, "target host name") ? HTTP_TLS_WRONG_NAME : of_verify(verify);
	case CURLE_SSL_CERTPROBLEM:
		return HTTP_TLS_BAD_OWN_CERT;
	case CURLE_SSL_CACERT_BADFILE:
		return HTTP_TLS_BAD_CA_FILE;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return of_text(text, tls);
	default:
		return HTTP_TLS_FINE;
	}
}

enum http_tls_trouble http_tls_ask_again(
        CURL *h, const char *url, const struct http_tls *tls, char text[CURL_ERROR_SIZE])
{
	CURLcode rc;

	curl_easy_reset(h);
	http_curl_defaults(h);
	http_tls_options(h, tls);
	*text = '\0';
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, text);
	curl_easy_setopt(
	        h, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2);
	curl_easy_setopt(h, CURLOPT_CONNECT_ONLY, 1L);
	curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L);
	curl_easy_setopt(h, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, 3000L);
	rc = curl_easy_perform(h);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, NULL);
	return rc == CURLE_SSL_CONNECT_ERROR ? of_text(text, tls) : HTTP_TLS_FINE;
}

int http_tls_error(
        enum http_tls_trouble trouble, const char *text, const struct http_tls *tls, struct err *e)
{
	switch (trouble) {
	case HTTP_TLS_NO_TLS:
		return err_set(e, ERR_PROTOCOL, "the other side speaks no TLS");
	case HTTP_TLS_EXPIRED:
		return err_set(e, ERR_DENIED, "its certificate has expired");
	case HTTP_TLS_NOT_YET_VALID:
		return err_set(e, ERR_DENIED, "its certificate is not valid yet");
	case HTTP_TLS_UNKNOWN_CA:
		return err_set(e, ERR_DENIED, "its certificate was issued by none of the CAs in %s",
		        tls->ca ? tls->ca : "the system's list");
	case HTTP_TLS_WRONG_NAME:
		return err_set(e, ERR_DENIED, "its certificate is for another name: %s", text);
	case HTTP_TLS_WANTS_CERT:
		return err_set(e, ERR_DENIED, "it wants a client certificate, and there is none");
	case HTTP_TLS_REFUSES_CERT:
		return err_set(e, ERR_DENIED, "it does not accept the client certificate%s%s: %s",
		        tls->cert ? " " : "", tls->cert ? tls->cert : "", text);
	case HTTP_TLS_BAD_OWN_CERT:
		return err_set(e, ERR_USAGE, "the client certificate %s and its key: %s",
		        tls->cert ? tls->cert : "", text);
	case HTTP_TLS_BAD_CA_FILE:
		return err_set(e, ERR_USAGE, "the CA file %s: %s", tls->ca ? tls->ca : "", text);
	case HTTP_TLS_BAD_CERT:
	case HTTP_TLS_FINE:
		break;
	}
	return err_set(e, ERR_DENIED, "its certificate cannot be trusted: %s", text);
}
