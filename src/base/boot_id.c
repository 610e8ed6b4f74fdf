#include "base/boot_id.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/str.h"

#define PATH "/proc/sys/kernel/random/boot_id"

int boot_id(char out[BOOT_ID_SIZE], struct err *e)
{
	AUTO(buf) struct buf b = BUF_INIT(128);
	const char *text;
	int rc;

	*out = '\0';
	rc = fs_read_at(AT_FDCWD, PATH, &b, e);
	if (rc < 0)
		return -1;
	if (rc > 0)
		return err_set(e, ERR_NOT_FOUND, "there is no '" PATH "'");
	text = str_trim(b.data);
	if (strlen(text) != BOOT_ID_SIZE - 1)
		return err_set(e, ERR_PROTOCOL, "'" PATH "' has no id of a boot");
	memcpy(out, text, BOOT_ID_SIZE);
	return 0;
}
