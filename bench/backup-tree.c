/* SPDX-License-Identifier: MIT */
/* backup-tree DIR OUT: the engine's backup of DIR into OUT, for bench/backup. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>

#include "backup.h"
#include "base/error.h"
#include "base/fsutil.h"
#include "effects.h"

int main(int argc, char **argv)
{
	struct effects set = EFFECTS_INIT;
	struct error err = ERROR_INIT;
	struct backup_result res;
	struct backup_spec spec = { 0 };
	struct rusage ru;
	int out;

	if (argc != 3)
		return 64;
	spec.root = argv[1];
	spec.root_fd = fs_open(AT_FDCWD, argv[1], O_RDONLY | O_DIRECTORY, 0);
	out = fs_open(AT_FDCWD, argv[2], O_RDONLY | O_DIRECTORY, 0);
	if (spec.root_fd < 0 || out < 0)
		return 66;
	effects_add(&set, EFFECT_CHANGE, 0, ".");
	spec.set = &set;
	if (backup_create(out, "start", &spec, &res, &err) < 0) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	(void)getrusage(RUSAGE_SELF, &ru);
	(void)printf("%.2f %ld %llu\n", res.elapsed_s, ru.ru_maxrss / 1024,
		     (unsigned long long)res.stored_bytes);
	effects_release(&set);
	return 0;
}
