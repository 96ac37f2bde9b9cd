/* SPDX-License-Identifier: MIT */
#ifndef BACKUP_LIB_H
#define BACKUP_LIB_H
/*
 * backup-lib - libarchive, loaded when an archive is first read or written by it
 * (lib-load.h)
 */
#include <archive.h>
#include <archive_entry.h>
#include "base/lib-load.h"

#define ARCHIVE_FUNCTIONS(X) \
	X(archive_entry_filetype) \
	X(archive_entry_free) \
	X(archive_entry_new) \
	X(archive_entry_pathname) \
	X(archive_entry_set_filetype) \
	X(archive_entry_set_mtime) \
	X(archive_entry_set_pathname) \
	X(archive_entry_set_perm) \
	X(archive_entry_set_size) \
	X(archive_error_string) \
	X(archive_read_data) \
	X(archive_read_data_block) \
	X(archive_read_free) \
	X(archive_read_new) \
	X(archive_read_next_header) \
	X(archive_read_open) \
	X(archive_read_open_fd) \
	X(archive_read_support_filter_zstd) \
	X(archive_read_support_format_tar) \
	X(archive_set_error) \
	X(archive_version_details) \
	X(archive_write_add_filter_zstd) \
	X(archive_write_close) \
	X(archive_write_data) \
	X(archive_write_free) \
	X(archive_write_header) \
	X(archive_write_new) \
	X(archive_write_open) \
	X(archive_write_set_bytes_in_last_block) \
	X(archive_write_set_format_pax_restricted)

LIB_TABLE(archive, ARCHIVE_FUNCTIONS)

#ifndef LIB_NO_NAMES
#define archive_entry_filetype archive_lib.archive_entry_filetype
#define archive_entry_free archive_lib.archive_entry_free
#define archive_entry_new archive_lib.archive_entry_new
#define archive_entry_pathname archive_lib.archive_entry_pathname
#define archive_entry_set_filetype archive_lib.archive_entry_set_filetype
#define archive_entry_set_mtime archive_lib.archive_entry_set_mtime
#define archive_entry_set_pathname archive_lib.archive_entry_set_pathname
#define archive_entry_set_perm archive_lib.archive_entry_set_perm
#define archive_entry_set_size archive_lib.archive_entry_set_size
#define archive_error_string archive_lib.archive_error_string
#define archive_read_data archive_lib.archive_read_data
#define archive_read_data_block archive_lib.archive_read_data_block
#define archive_read_free archive_lib.archive_read_free
#define archive_read_new archive_lib.archive_read_new
#define archive_read_next_header archive_lib.archive_read_next_header
#define archive_read_open archive_lib.archive_read_open
#define archive_read_open_fd archive_lib.archive_read_open_fd
#define archive_read_support_filter_zstd archive_lib.archive_read_support_filter_zstd
#define archive_read_support_format_tar archive_lib.archive_read_support_format_tar
#define archive_set_error archive_lib.archive_set_error
#define archive_version_details archive_lib.archive_version_details
#define archive_write_add_filter_zstd archive_lib.archive_write_add_filter_zstd
#define archive_write_close archive_lib.archive_write_close
#define archive_write_data archive_lib.archive_write_data
#define archive_write_free archive_lib.archive_write_free
#define archive_write_header archive_lib.archive_write_header
#define archive_write_new archive_lib.archive_write_new
#define archive_write_open archive_lib.archive_write_open
#define archive_write_set_bytes_in_last_block archive_lib.archive_write_set_bytes_in_last_block
#define archive_write_set_format_pax_restricted archive_lib.archive_write_set_format_pax_restricted
#endif

#endif
