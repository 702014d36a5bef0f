/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

static void quoted(FILE *out, const char *s)
{
	size_t len = strlen(s), n;
	uint32_t c = 0;

	fputc('"', out);
	for (size_t i = 0; i < len; i += n ? n : 1) {
		n = utf8_decode((const uint8_t *)s + i, len - i, &c);
		if (n == 0)
			fputs("\\ufffd", out);
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", s[i]);
		else if (utf8_is_control(c)) /* none is beyond U+FFFF */
			fprintf(out, "\\u%04x", (unsigned)c);
		else
			fwrite(s + i, 1, n, out);
	}
	fputc('"', out);
}

static void indent(struct json *j)
{
	if (j->line)
		return;
	fputc('\n', j->out);
	for (int i = 0; i < j->depth; i++)
		fputs("  ", j->out);
}

static void start(struct json *j, const char *key)
{
	if (!j->first)
		fputc(',', j->out);
	if (j->depth)
		indent(j);
	j->first = false;
	if (key) {
		quoted(j->out, key);
		fputs(": ", j->out);
	}
}

void json_init(struct json *j, FILE *out)
{
	*j = (struct json){.out = out, .first = true};
}

void json_finish(struct json *j)
{
	fputc('\n', j->out);
}

static void open_group(struct json *j, const char *key, char bracket)
{
	start(j, key);
	fputc(bracket, j->out);
	j->depth++;
	j->first = true;
}

static void close_group(struct json *j, char bracket)
{
	j->depth--;
	if (!j->first)
		indent(j);
	fputc(bracket, j->out);
	j->first = false;
}

void json_object(struct json *j, const char *key)
{
	open_group(j, key, '{');
}

void json_end_object(struct json *j)
{
	close_group(j, '}');
}

void json_array(struct json *j, const char *key)
{
	open_group(j, key, '[');
}

void json_end_array(struct json *j)
{
	close_group(j, ']');
}

void json_string(struct json *j, const char *key, const char *value)
{
	start(j, key);
	if (value)
		quoted(j->out, value);
	else
		fputs("null", j->out);
}

void json_u64(struct json *j, const char *key, uint64_t value)
{
	start(j, key);
	fprintf(j->out, "%" PRIu64, value);
}

void json_i64(struct json *j, const char *key, int64_t value)
{
	start(j, key);
	fprintf(j->out, "%" PRId64, value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	start(j, key);
	fputs(value ? "true" : "false", j->out);
}
