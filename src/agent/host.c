#include "agent/host.h"

#include <sys/utsname.h>

json_t *host_facts(const char *pool_path)
{
	struct utsname u;

	if (uname(&u) < 0)
		return json_object();
	return json_pack(
	        "{s:s, s:s, s:s}", "hostname", u.nodename, "kernel", u.release, "pool", pool_path);
}
