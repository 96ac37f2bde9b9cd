/* SPDX-License-Identifier: MIT */
/*
 * The kernel's form of a POSIX ACL (linux/posix_acl_xattr.h: version 2, then
 * entries of tag, permissions and id, little endian) as the text of acl(5), so
 * that `tar --acls` restores it.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "backup-internal.h"

struct acl_raw {
	uint16_t tag, perm;
	uint32_t id;
};

static const char *name_of(uint16_t tag, bool *has_id)
{
	*has_id = tag == 0x02 || tag == 0x08;
	switch (tag) {
	case 0x01:
	case 0x02:
		return "user";
	case 0x04:
	case 0x08:
		return "group";
	case 0x10:
		return "mask";
	case 0x20:
		return "other";
	}
	return NULL;
}

static int add_entry(struct strbuf *sb, const struct acl_raw *raw)
{
	unsigned int perm = le16toh(raw->perm);
	bool has_id;
	const char *name = name_of(le16toh(raw->tag), &has_id);

	if (!name || perm > 7)
		return -EINVAL;
	if (sb->len)
		strbuf_addch(sb, ',');
	strbuf_addf(sb, "%s:", name);
	if (has_id)
		strbuf_addf(sb, "%u", (unsigned int)le32toh(raw->id));
	strbuf_addf(sb, ":%c%c%c", perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-',
		    perm & 1 ? 'x' : '-');
	return 0;
}

int acl_to_text(const void *value, size_t len, struct strbuf *sb)
{
	const unsigned char *p = value;
	uint32_t version;
	int ret = 0;

	if (len < 4 || (len - 4) % sizeof(struct acl_raw))
		return -EINVAL;
	memcpy(&version, p, 4);
	if (le32toh(version) != 2)
		return -EINVAL;
	for (p += 4, len -= 4; ret >= 0 && len; p += 8, len -= 8) {
		struct acl_raw raw;

		memcpy(&raw, p, sizeof(raw));
		ret = add_entry(sb, &raw);
	}
	return ret;
}
