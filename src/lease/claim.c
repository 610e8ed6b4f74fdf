#include "lease/claim.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/str.h"

#define HASH_LEN 32

void lease_claim_name(char out[LEASE_NAME_SIZE], const char *prefix, const char *public_key)
{
	char hex[SHA256_HEX_SIZE];

	sha256_hex(hex, public_key, strlen(public_key));
	snprintf(out, LEASE_NAME_SIZE, "%s%.*s", prefix, HASH_LEN, hex);
}

bool lease_is_claim_name(const char *name, const char *prefix)
{
	const char *hash;

	return str_starts(name, prefix, &hash) && strlen(hash) == HASH_LEN &&
	        strspn(hash, "0123456789abcdef") == HASH_LEN;
}
