/* SPDX-License-Identifier: MIT */
#define LIB_NO_NAMES
#include "backup-lib.h"

#define LIB_SYMBOL_archive(f) { #f, offsetof(struct archive_lib, f) },
LIB_TABLE_DEFINE(archive, ARCHIVE_FUNCTIONS, LIBARCHIVE_SONAME)
