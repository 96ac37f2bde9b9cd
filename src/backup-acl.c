/* SPDX-License-Identifier: MIT */
/*
 * The kernel's form of a POSIX ACL (linux/posix_acl_xattr.h: version 2, then
 * entries of tag, permissions and id, little endian) given to libarchive, so
 * that `tar --acls` restores it.
 */
#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "backup-internal.h"

struct acl_raw {
	uint16_t tag, perm;
	uint32_t id;
};

static int tag_of(uint16_t tag)
{
	switch (tag) {
	case 0x01:
		return ARCHIVE_ENTRY_ACL_USER_OBJ;
	case 0x02:
		return ARCHIVE_ENTRY_ACL_USER;
	case 0x04:
		return ARCHIVE_ENTRY_ACL_GROUP_OBJ;
	case 0x08:
		return ARCHIVE_ENTRY_ACL_GROUP;
	case 0x10:
		return ARCHIVE_ENTRY_ACL_MASK;
	case 0x20:
		return ARCHIVE_ENTRY_ACL_OTHER;
	}
	return -1;
}

int acl_to_entry(struct archive_entry *entry, const void *value, size_t len,
		 bool is_default)
{
	const unsigned char *p = value;
	uint32_t version;

	if (len < 4 || (len - 4) % sizeof(struct acl_raw))
		return -EINVAL;
	memcpy(&version, p, 4);
	if (le32toh(version) != 2)
		return -EINVAL;
	for (p += 4, len -= 4; len; p += 8, len -= 8) {
		struct acl_raw raw;
		int tag, perm;

		memcpy(&raw, p, sizeof(raw));
		tag = tag_of(le16toh(raw.tag));
		/* rwx have the same bits on both sides */
		perm = le16toh(raw.perm) & 7;
		if (tag < 0 || archive_entry_acl_add_entry(entry,
				is_default ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT :
				ARCHIVE_ENTRY_ACL_TYPE_ACCESS, perm, tag,
				(int)le32toh(raw.id), NULL) != ARCHIVE_OK)
			return -EINVAL;
	}
	return 0;
}
