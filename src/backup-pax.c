/* SPDX-License-Identifier: MIT */
/*
 * Headers of a pax tar (POSIX.1-2017, pax, "ustar Interchange Format"): blocks
 * of 512 bytes, numbers in octal, and before a member the records "LENGTH
 * KEY=VALUE\n" of what does not fit there.
 */
#include <string.h>

#include "backup-internal.h"

/* where the fields of a header lie */
enum {
	AT_NAME = 0, NAME_SIZE = 100,
	AT_MODE = 100,
	AT_UID = 108,
	AT_GID = 116,
	AT_SIZE = 124,
	AT_MTIME = 136,
	AT_SUM = 148, SUM_SIZE = 8,
	AT_TYPE = 156,
	AT_LINK = 157,
	AT_MAGIC = 257,
	AT_MAJOR = 329,
	AT_MINOR = 337,
};

#define SHORT_DIGITS 7
#define LONG_DIGITS 11
#define FITS(v, digits) ((uint64_t)(v) >> (3 * (digits)) == 0)

static void octal(char *field, int digits, uint64_t v)
{
	field[digits] = '\0';
	for (int i = digits - 1; i >= 0; i--, v >>= 3)
		field[i] = (char)('0' + (v & 7));
}

/* the length counts its own digits */
void pax_add(struct strbuf *sb, const char *key, const void *v, size_t n)
{
	size_t k = strlen(key), rest = k + n + 3, len = rest + 1, digits;
	char text[20];

	while ((digits = format_u64(text, len)) + rest != len)
		len = digits + rest;
	strbuf_add(sb, text, digits);
	strbuf_addch(sb, ' ');
	strbuf_add(sb, key, k);
	strbuf_addch(sb, '=');
	strbuf_add(sb, v, n);
	strbuf_addch(sb, '\n');
}

void pax_add_u64(struct strbuf *sb, const char *key, uint64_t v)
{
	char text[20];

	pax_add(sb, key, text, format_u64(text, v));
}

/* -1.5 is half a second before -1; timespec counts its fraction upwards */
static void add_time(struct strbuf *sb, const struct timespec *ts)
{
	bool before = ts->tv_sec < 0;
	uint64_t sec = before ? 0 - (uint64_t)ts->tv_sec :
		(uint64_t)ts->tv_sec;
	long ns = ts->tv_nsec;
	char text[32];
	size_t n = 0;

	if (before && ns) {
		sec--;
		ns = 1000000000 - ns;
	}
	if (before)
		text[n++] = '-';
	n += format_u64(text + n, sec);
	text[n] = '.';
	for (size_t i = 9; i > 0; i--, ns /= 10)
		text[n + i] = (char)('0' + ns % 10);
	pax_add(sb, "mtime", text, n + 10);
}

static bool is_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/* what of h the fixed fields cannot say */
void pax_add_head(struct strbuf *sb, const struct tar_head *h)
{
	bool name = !is_ascii(h->name), link = h->link && !is_ascii(h->link);

	/* names are bytes: nothing is to be converted or normalised */
	if (name || link)
		pax_add(sb, "hdrcharset", "BINARY", 6);
	if (!h->alias && (name || strlen(h->name) > NAME_SIZE))
		pax_add(sb, "path", h->name, strlen(h->name));
	if (h->link && (link || strlen(h->link) > NAME_SIZE))
		pax_add(sb, "linkpath", h->link, strlen(h->link));
	if (!FITS(h->size, LONG_DIGITS))
		pax_add_u64(sb, "size", h->size);
	if (!FITS(h->uid, SHORT_DIGITS))
		pax_add_u64(sb, "uid", h->uid);
	if (!FITS(h->gid, SHORT_DIGITS))
		pax_add_u64(sb, "gid", h->gid);
	if (!FITS(h->major, SHORT_DIGITS) || !FITS(h->minor, SHORT_DIGITS)) {
		pax_add_u64(sb, "SCHILY.devmajor", h->major);
		pax_add_u64(sb, "SCHILY.devminor", h->minor);
	}
	if (h->mtime.tv_nsec || !FITS(h->mtime.tv_sec, LONG_DIGITS))
		add_time(sb, &h->mtime);
}

/* a value that does not fit is in a record, which counts */
static void number(char *block, int at, int digits, uint64_t v)
{
	octal(block + at, digits, FITS(v, digits) ? v : 0);
}

static void add_block(struct strbuf *sb, const struct tar_head *h)
{
	const char *name = h->alias ? h->alias : h->name;
	unsigned int sum = 0;
	char *b;

	strbuf_grow(sb, TAR_BLOCK);
	b = sb->buf + sb->len;
	memset(b, 0, TAR_BLOCK);
	memcpy(b + AT_NAME, name, strnlen(name, NAME_SIZE));
	number(b, AT_MODE, SHORT_DIGITS, h->mode & 07777);
	number(b, AT_UID, SHORT_DIGITS, h->uid);
	number(b, AT_GID, SHORT_DIGITS, h->gid);
	number(b, AT_SIZE, LONG_DIGITS, h->size);
	number(b, AT_MTIME, LONG_DIGITS, (uint64_t)h->mtime.tv_sec);
	b[AT_TYPE] = h->type;
	if (h->link)
		memcpy(b + AT_LINK, h->link, strnlen(h->link, NAME_SIZE));
	memcpy(b + AT_MAGIC, "ustar\0" "00", 8);
	number(b, AT_MAJOR, SHORT_DIGITS, h->major);
	number(b, AT_MINOR, SHORT_DIGITS, h->minor);
	/* summed as if the sum itself were spaces */
	memset(b + AT_SUM, ' ', SUM_SIZE);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)b[i];
	octal(b + AT_SUM, 6, sum);
	strbuf_set_len(sb, sb->len + TAR_BLOCK);
}

void tar_pad(struct strbuf *sb, uint64_t n)
{
	static const char zeros[TAR_BLOCK];

	strbuf_add(sb, zeros, (size_t)(-n % TAR_BLOCK));
}

void tar_add_head(struct strbuf *sb, const struct tar_head *h,
		  const struct strbuf *records)
{
	const struct tar_head x = {
		.name = "././@PaxHeader", .type = 'x', .mode = 0644,
		.size = records->len,
	};

	if (records->len) {
		add_block(sb, &x);
		strbuf_add(sb, records->buf, records->len);
		tar_pad(sb, records->len);
	}
	add_block(sb, h);
}
