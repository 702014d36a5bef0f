/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <string.h>

void text_init(struct text *t, char *buf, size_t size)
{
	t->buf = buf;
	t->size = size;
	t->len = 0;
	buf[0] = '\0';
}

static void put(struct text *t, const char *s, size_t len)
{
	size_t room = t->size - 1 - t->len;

	if (len > room) {
		/*
		 * Truncates before a character, not within one, and appends nothing after the
		 * truncation.
		 */
		for (len = room; len && ((uint8_t)s[len] & 0xc0) == 0x80; len--)
			;
		t->size = t->len + len + 1;
	}
	memcpy(t->buf + t->len, s, len);
	t->len += len;
	t->buf[t->len] = '\0';
}

void text_str(struct text *t, const char *s)
{
	put(t, s, strlen(s));
}

static void number(struct text *t, uint64_t v, unsigned base)
{
	char digits[20];
	size_t i = sizeof(digits);

	do {
		digits[--i] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	put(t, digits + i, sizeof(digits) - i);
}

void text_u64(struct text *t, uint64_t v)
{
	number(t, v, 10);
}

void text_hex(struct text *t, uint64_t v)
{
	text_str(t, "0x");
	number(t, v, 16);
}

size_t utf8_decode(const uint8_t *p, size_t len, uint32_t *ret_char)
{
	static const struct {
		uint8_t mask, lead;
		uint32_t min;
	} form[] = {{0x80, 0, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	uint32_t c;

	for (size_t n = 0; n < 4 && n < len; n++) {
		if ((p[0] & form[n].mask) != form[n].lead)
			continue;
		c = p[0] & (uint8_t)~form[n].mask;
		for (size_t i = 1; i <= n; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return 0;
			c = c << 6 | (p[i] & 0x3f);
		}
		if (c < form[n].min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return 0;
		*ret_char = c;
		return n + 1;
	}
	return 0;
}

size_t utf8_length(const uint8_t *p, size_t len)
{
	uint32_t c;

	return utf8_decode(p, len, &c);
}

bool utf8_is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void escape(struct text *t, const uint8_t *p, size_t len, size_t limit, bool quotes)
{
	size_t shown = len < limit ? len : limit;
	size_t i = 0, n;
	uint32_t c;

	while (i < shown) {
		n = utf8_decode(p + i, len - i, &c);
		if (n && !utf8_is_control(c) && !(quotes && (p[i] == '"' || p[i] == '\\'))) {
			put(t, (const char *)p + i, n);
			i += n;
		} else {
			char hex[4] = {'\\', 'x', "0123456789abcdef"[p[i] >> 4],
				       "0123456789abcdef"[p[i] & 15]};

			put(t, hex, sizeof(hex));
			i++;
		}
	}
	if (i < len)
		text_str(t, "...");
}

void text_escape(struct text *t, const void *bytes, size_t len, size_t limit)
{
	escape(t, bytes, len, limit, false);
}

void text_quote(struct text *t, const void *bytes, size_t len, size_t limit)
{
	text_str(t, "\"");
	escape(t, bytes, len, limit, true);
	text_str(t, "\"");
}

void text_unescape_octal(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
		    s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}
