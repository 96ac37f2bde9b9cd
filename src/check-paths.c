/* SPDX-License-Identifier: MIT */
#include "check-paths.h"

#include <string.h>

#include "base/error.h"
#include "base/path.h"
#include "base/walk.h"
#include "base/xalloc.h"
#include "effects.h"

int check_paths_parse(struct step *s, struct plan_node *n)
{
	struct check_paths *p = s->priv = xcalloc(1, sizeof(*p));

	return plan_node_paths(n, "paths", true, true, &p->paths) ? 0 : -1;
}

void check_paths_release(struct step *s)
{
	struct check_paths *p = s->priv;

	strvec_release(&p->paths);
	free(p);
}

static int add_file(void *ctx, const struct walk_entry *we, struct error *err)
{
	struct strvec *ret = ctx;

	(void)err;
	if (S_ISREG(we->st.st_mode))
		strvec_push(ret, we->path);
	return 0;
}

int check_paths_expand(const struct step *s, struct step_ctx *c, bool files,
		       struct strvec *ret, struct error *err)
{
	const struct check_paths *p = s->priv;
	_cleanup_strvec_ struct strvec found = STRVEC_INIT;
	int r = 0;

	for (size_t i = 0; r >= 0 && i < p->paths.n; i++)
		r = glob_expand(step_root_fd(c), p->paths.v[i], step_skip(c),
				files ? &found : ret, err);
	for (size_t i = 0; r >= 0 && files && i < found.n; i++)
		r = walk_tree(step_root_fd(c), found.v[i], WALK_NO_OPEN,
			      add_file, ret, err);
	strvec_sort_paths(ret);
	return r;
}

void check_fault(struct check_result *r, const char *path, const char *why)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	if (r->details.n < CHECK_DETAILS_MAX)
		strvec_pushf(&r->details, "'%s': %s", shown, why);
}

int check_paths_effects(const struct step *s, struct step_ctx *c,
			struct effects *out, struct error *err)
{
	const struct check_paths *p = s->priv;

	(void)c;
	(void)err;
	for (size_t i = 0; i < p->paths.n; i++)
		effects_add(out, EFFECT_READ, glob_has_magic(p->paths.v[i]) ?
			    EFFECT_PATTERN : 0, p->paths.v[i]);
	return 0;
}
