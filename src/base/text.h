/* SPDX-License-Identifier: MIT */
/*
 * Builds a bounded, always terminated string without printf, so that the negotiator, which is pure,
 * can write error messages. Text that does not fit is truncated. Nothing here blocks or allocates.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *buf; /* the caller's; terminated after every call */
	size_t size;
	size_t len;
};

/* Starts an empty string in buf (size at least 1), which must outlive *t. */
void text_init(struct text *t, char *buf, size_t size);
void text_str(struct text *t, const char *s);
void text_u64(struct text *t, uint64_t v);
void text_hex(struct text *t, uint64_t v); /* with 0x, no leading zeroes */

/*
 * Appends foreign bytes in double quotes. Control characters (utf8_is_control()), quotes,
 * backslashes and anything that is not valid UTF-8 appear as \xNN, so that a terminal or a log
 * cannot be attacked. At most `limit` input bytes are shown; "..." marks the truncation.
 */
void text_quote(struct text *t, const void *bytes, size_t len, size_t limit);

/* As text_quote() without the surrounding quotes and without escaping quotes. */
void text_escape(struct text *t, const void *bytes, size_t len, size_t limit);

/*
 * Decodes the \ooo escapes of mountinfo and swaps (proc(5)) in place. Leaves all other text as it
 * is.
 */
void text_unescape_octal(char *s);

/*
 * The length (1 to 4) of the valid UTF-8 sequence at p, or 0 when there is none (RFC 3629:
 * overlong forms, surrogates and values above U+10FFFF are invalid).
 */
size_t utf8_length(const uint8_t *p, size_t len);

/* The same, with the character itself in *ret_char unless there is none. */
size_t utf8_decode(const uint8_t *p, size_t len, uint32_t *ret_char);

/*
 * True for characters that are invisible but change how other characters are shown: C0, DEL and C1,
 * the separators of lines and paragraphs, and the marks, embeddings, overrides and isolates of
 * bidirectional text (UAX 9), which make one name look like another.
 */
bool utf8_is_control(uint32_t c);

#endif
