#pragma once

/*
 * Text from outside, as text of HTML and XML
 *
 * Whatever comes in, what is added is well-formed UTF-8 that can end no element and no quoted
 * value: the five characters of markup (& < > " ') become references, and a control character,
 * U+FFFE, U+FFFF (no characters of XML 1.0: its production 2) and each byte above ASCII of a text
 * that is not UTF-8 become '?'.  Not for what is inside <script> or <style>, nor for URLs: a
 * reference of "javascript:" is one still.
 *
 * -1 when out is full or memory is short, errno as buf_add() sets it; out may have a part of it
 * then.
 */

#include "base/buf.h"
#include "base/compiler.h"

/* Between tags: line ends and tabs stay. */
int escape_text(struct buf *out, const char *text) NODISCARD;

/* Also in quotes: line ends and tabs are references, which a reader of XML would otherwise make
 * blanks of. */
int escape_value(struct buf *out, const char *text) NODISCARD;
