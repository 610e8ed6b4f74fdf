#pragma once

/* What `git describe` said of the tree this program was built from; made by the Makefile. */
extern const char nodeswarm_version[];
