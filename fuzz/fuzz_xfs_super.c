/* The first bytes of a file that is given as an image, and the text of fstab. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "data/pool_mount.h"
#include "data/xfs_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char *exact = malloc(size ? size : 1);
	char *text = malloc(size + 1);
	struct xfs_super s;

	if (exact && text) {
		memcpy(exact, data, size);
		if (xfs_super_parse(&s, exact, size) == 0 && size < XFS_SUPER_BYTES)
			abort();
		memcpy(text, data, size);
		text[size] = '\0';
		if (fstab_has(text, "/pool") && !strstr(text, "/pool"))
			abort();
	}
	free(exact);
	free(text);
	return 0;
}
