#include "cli/load_files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

/* The path of a file that is not there yet, from the root, so that two options with the same file
 * are seen whichever way it is written. */
static char *new_path(const char *path)
{
	AUTO(free) char *copy = strdup(path);
	AUTO(free) char *dir = NULL;
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	if (!copy)
		return NULL;
	/* dirname() changes what it is given. */
	dir = realpath(dirname(copy), NULL);
	return dir ? str_fmt("%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name) : NULL;
}

/* Where a link leads, so that the file is replaced and not the link; "/dev/null" and pipes cannot
 * be replaced by renaming. */
static char *final_path(const char *option, const char *path, struct err *e)
{
	struct stat st;
	char *real;

	if (strcmp(path, "-") == 0) {
		err_set(e, ERR_USAGE, "%s wants the name of a file: standard output has the report",
		        option);
		return NULL;
	}
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		err_set(e, ERR_USAGE, "%s: '%s' is not a regular file", option, path);
		return NULL;
	}
	real = realpath(path, NULL);
	if (!real && errno == ENOENT)
		real = new_path(path);
	if (!real)
		err_sys(e, errno, "%s: '%s'", option, path);
	return real;
}

int load_file_open(struct load_file *f, const char *option, const char *path, struct err *e)
{
	int fd;

	*f = (struct load_file){ .option = option };
	if (!path)
		return 0;
	f->path = final_path(option, path, e);
	if (!f->path)
		return -1;
	f->tmp = str_fmt("%s.%ld.tmp", f->path, (long)getpid());
	if (!f->tmp)
		return err_nomem(e);
	/* One of that name is what a killed process with our id has left. */
	(void)unlink(f->tmp);
	fd = open(f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	f->out = fd < 0 ? NULL : fdopen(fd, "w");
	if (f->out)
		return 0;
	err_sys(e, errno, "%s: create '%s'", option, f->tmp);
	if (fd >= 0)
		(void)close(fd);
	else
		free(TAKE(f->tmp));
	return -1;
}

int load_file_commit(struct load_file *f, struct err *e)
{
	FILE *out = TAKE(f->out);
	int rc, why;

	if (!out)
		return 0;
	errno = 0;
	rc = ferror(out) || fflush(out) != 0 || fsync(fileno(out)) < 0;
	why = errno ? errno : EIO;
	if (fclose(out) != 0 && !rc) {
		rc = 1;
		why = errno;
	}
	if (rc)
		return err_sys(e, why, "%s: write '%s'", f->option, f->tmp);
	if (rename(f->tmp, f->path) < 0)
		return err_sys(e, errno, "%s: rename '%s' to '%s'", f->option, f->tmp, f->path);
	free(TAKE(f->tmp));
	return 0;
}

void load_file_release(struct load_file *f)
{
	if (f->out)
		(void)fclose(f->out);
	if (f->tmp)
		(void)unlink(f->tmp);
	free(f->tmp);
	free(f->path);
	*f = (struct load_file){ .out = NULL };
}
