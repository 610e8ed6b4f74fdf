#include "nodeos/pubkey_priv.h"

#include <string.h>

#include "base/str.h"
#include "nodeos/base58_priv.h"

#define TEXT_MAX (PUBKEY_TEXT_SIZE - 1)

int pubkey_pack(unsigned char out[PUBKEY_PACKED_LEN], const char *text, struct err *e)
{
	static const struct {
		const char *prefix, *type; /* the type goes into the checksum */
		unsigned char packed;
	} forms[] = {
		{ "EOS", "", 0 },
		{ "PUB_K1_", "K1", 0 },
		{ "PUB_R1_", "R1", 1 },
	};
	unsigned char point[PUBKEY_POINT_LEN];
	const char *data = NULL;
	size_t f;
	int rc;

	for (f = 0; f < ARRAY_LEN(forms); f++)
		if (str_starts(text, forms[f].prefix, &data))
			break;
	if (f == ARRAY_LEN(forms))
		return err_set(
		        e, ERR_USAGE, "'%.64s' does not begin with EOS, PUB_K1_ or PUB_R1_", text);
	/* A leading '1' is a zero byte, with which no point begins. */
	rc = strlen(text) > TEXT_MAX || *data == '1'
	        ? -1
	        : base58_check_decode(point, sizeof(point), data, forms[f].type);
	if (rc < 0)
		return err_set(e, ERR_USAGE, "'%.64s' is not base58 of a public key", text);
	if (rc > 0)
		return err_set(
		        e, ERR_USAGE, "'%.64s' has a wrong checksum, so a letter is wrong", text);
	if (point[0] != 2 && point[0] != 3)
		return err_set(e, ERR_USAGE, "'%.64s' is not a public key", text);
	out[0] = forms[f].packed;
	memcpy(out + 1, point, PUBKEY_POINT_LEN);
	return 0;
}

const char *pubkey_text(
        char out[PUBKEY_TEXT_SIZE], const unsigned char point[PUBKEY_POINT_LEN], bool is_legacy)
{
	const char *prefix = is_legacy ? "EOS" : "PUB_K1_";

	memcpy(out, prefix, strlen(prefix));
	base58_check_encode(out + strlen(prefix), point, PUBKEY_POINT_LEN, is_legacy ? "" : "K1");
	return out;
}
