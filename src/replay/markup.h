#pragma once

/* The little of HTML and XML that lists of files are written in.  Pure. */

#include <stddef.h>

#include "base/compiler.h"

struct buf;

/* Character references ("&amp;", "&#47;", "&#x2F;") become what they stand for, in place; what is
 * none stays.  Those of 0 and of what is no character stay too. */
void markup_unescape(char *s);

/*
 * The text of the first <tag> without attributes from *at on, unescaped, as a string that the
 * caller frees; *at is moved behind it.  1 if there is none before end, -1 without memory.
 */
int markup_element(char **ret, const char **at, const char *end, const char *tag) NODISCARD;

#define MARKUP_HEADING_MAX 256

/* A link: heading is the text of the last heading before it, "" without one.  Below 0 ends it. */
typedef int markup_link_fn(void *arg, const char *heading, const char *href);

/* Every <a href> of a page, in order, unescaped.  What fn returned, or 0; -1 without memory, with
 * fn not called for it (errno is ENOMEM). */
int markup_links(const char *text, size_t n, markup_link_fn *fn, void *arg) NODISCARD;
