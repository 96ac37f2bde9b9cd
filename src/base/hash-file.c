/* SPDX-License-Identifier: MIT */
/* Apart from hash.c: OpenSSL's headers have names that clash with error.h. */
#include "base/hash.h"

#include "base/error.h"
#include "base/fsutil.h"
#include "base/i18n.h"
#include "base/xalloc.h"

#define READ_SIZE (128u * 1024u)

int blake2_of_fd(int fd, char out[BLAKE2_TEXT_SIZE], struct error *err)
{
	struct blake2 *b = blake2_new();
	char *buf = xmalloc(READ_SIZE);
	off_t off = 0;
	ssize_t n;

	while ((n = fs_pread_full(fd, buf, READ_SIZE, off)) > 0) {
		blake2_add(b, buf, (size_t)n);
		off += n;
	}
	if (n == 0)
		blake2_end(b, out);
	blake2_free(b);
	free(buf);
	if (n < 0)
		return error_errno(err, ERR_IO, (int)n,
				   _("cannot read a file to compare it"));
	return 0;
}
