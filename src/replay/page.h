#pragma once

/*
 * The pages for people: /progress, /grid, /control, /detail
 *
 * One document for all four: its style and its script are in it, and the script shows the view that
 * the path names.  There is no figure in it, so it is the same for everybody and may be sent
 * without a token; what it shows it asks of /v1 (orchestrator.h) with the token that the person
 * types in.
 *
 *	/detail?job=ID or ?slice=N
 */

#include <stddef.h>

#include "base/compiler.h"
#include "base/err.h"

#define PAGE_TYPE "text/html; charset=utf-8"

/*
 * To be sent with each as Content-Security-Policy: nothing from elsewhere, no frame around the page
 * (a click on "cancel" must be meant).
 */
#define PAGE_POLICY                                                                   \
	"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " \
	"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "    \
	"frame-ancestors 'none'"

/*
 * The page of that path (without query; one '/' at its end is allowed), which lives as long as the
 * process; *ret_n bytes and a NUL.  NULL: ERR_NOT_FOUND, or no memory.  One thread.
 */
const char *page_html(const char *path, size_t *ret_n, struct err *e) NODISCARD;
