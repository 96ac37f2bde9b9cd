/* SPDX-License-Identifier: MIT */
/*
 * The first look, before anything is written: how much there is, what cannot
 * be kept, what is refused, and which names belong to the set because another
 * name of their inode does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backup-internal.h"
#include "base/error.h"
#include "base/i18n.h"
#include "base/ours.h"
#include "base/path.h"
#include "base/thread.h"
#include "base/walk.h"
#include "base/xalloc.h"

#define LOST_MAX 100

struct look {
	const struct backup_spec *spec;
	struct backup_need *need;
	struct link_table *links;
	struct effects *full;
	uid_t uid;               /* ours */
	bool strangers;          /* some name of an inode was not met */
	bool loss;               /* fill in need->lost */
	const atomic_bool *quit; /* nobody wants to know; may be NULL */
};

/* --- what cannot be kept --- */

static void lose(struct look *l, const char *path, const char *why)
{
	_cleanup_free_ char *shown = escape_bytes(path);

	/* who loses so many of one kind knows it after the first hundred */
	if (l->need->lost.n < LOST_MAX)
		strvec_pushf(&l->need->lost, "%s: %s", shown, why);
}

/* a tar has no place for them, and setting them again needs rights */
static void lose_flags(struct look *l, const struct set_entry *e)
{
	static const struct {
		uint64_t bit;
		char letter;
	} flags[] = {
		{ STATX_ATTR_IMMUTABLE, 'i' }, { STATX_ATTR_APPEND, 'a' },
		{ STATX_ATTR_NODUMP, 'd' }, { STATX_ATTR_COMPRESSED, 'c' },
		{ STATX_ATTR_ENCRYPTED, 'E' }, { STATX_ATTR_VERITY, 'V' },
	};
	_cleanup_free_ char *why = NULL;
	char letters[ARRAY_SIZE(flags) + 1];
	size_t n = 0;
	struct statx sx;

	if (e->dirfd < 0 || statx(e->dirfd, e->name, AT_SYMLINK_NOFOLLOW, 0,
				  &sx) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (sx.stx_attributes & sx.stx_attributes_mask & flags[i].bit)
			letters[n++] = flags[i].letter;
	if (!n)
		return;
	letters[n] = '\0';
	why = xasprintf(_("its file flags '%s' (chattr) are not kept"),
			letters);
	lose(l, e->it->path, why);
}

static void note_loss(struct look *l, const struct set_entry *e)
{
	const struct item *it = e->it;

	if (it->type == ITEM_ABSENT)
		return;
	if (it->type == ITEM_SOCKET) {
		lose(l, it->path, _("a socket is not kept"));
		return;
	}
	if (l->uid != 0 && it->meta.uid != l->uid)
		lose(l, it->path, _("its owner cannot be given back without "
				    "being root"));
	if (!(it->flags & ITEM_PARENT))
		lose_flags(l, e);
}

/* --- how much --- */

static int count_item(void *ctx, struct set_entry *e, struct error *err)
{
	const struct item *it = e->it;
	struct look *l = ctx;
	bool first = true;

	(void)err;
	if (l->quit && atomic_load(l->quit))
		return -ECANCELED;
	l->need->items++;
	if (it->type == ITEM_FILE && it->nlink > 1 &&
	    !(it->flags & ITEM_PARENT))
		(void)link_table_get(l->links, it, &first);
	if (it->type == ITEM_FILE && first) {
		l->need->files++;
		l->need->bytes += it->alloc ? it->alloc : it->size;
	}
	if (l->loss)
		note_loss(l, e);
	return 0;
}

static int is_stranger(void *ctx, struct link_name *l)
{
	struct look *k = ctx;

	if (l->seen < l->nlink)
		k->strangers = true;
	return 0;
}

/* another name of an inode of the set, somewhere below the root */
static int find_name(void *ctx, const struct walk_entry *we,
		     struct error *err)
{
	struct look *l = ctx;
	struct item it = ITEM_INIT;
	struct link_name *ln;
	bool fresh;

	(void)err;
	if (l->quit && atomic_load(l->quit))
		return -ECANCELED;
	if (ours_has(l->spec->ours, we->path))
		return WALK_SKIP;
	if (!S_ISREG(we->st.st_mode) || we->st.st_nlink < 2 ||
	    effects_cover(l->full, we->path))
		return 0;
	it.path = (char *)(uintptr_t)we->path;
	it.dev = we->st.st_dev;
	it.ino = we->st.st_ino;
	it.nlink = we->st.st_nlink;
	ln = link_table_get(l->links, &it, &fresh);
	/* an inode of nobody's set: forget that it was seen */
	if (fresh)
		ln->nlink = ln->seen = 1;
	else if (ln->nlink > 1)
		effects_add(l->full, EFFECT_CHANGE, EFFECT_SELF, we->path);
	return 0;
}

static int refuse_outside(void *ctx, struct link_name *ln)
{
	struct look *l = ctx;
	_cleanup_free_ char *shown = NULL;

	if (ln->seen >= ln->nlink || l->spec->hard_links_break ||
	    l->spec->manifest_only)
		return 0;
	shown = escape_bytes(ln->path);
	strvec_pushf(&l->need->refused, _("%s: has a further name (hard link) "
		     "outside the root"), shown);
	return 0;
}

/* quit: see struct look */
static int complete(const struct backup_spec *spec, struct effects *full,
		    struct backup_need *need, const atomic_bool *quit,
		    bool loss, struct error *err)
{
	struct look l = { .spec = spec, .need = need, .full = full,
			  .links = link_table_new(), .uid = geteuid(),
			  .quit = quit, .loss = loss };
	struct effects sorted = EFFECTS_INIT;
	int ret;

	for (size_t i = 0; i < spec->set->n; i++)
		effects_add(full, spec->set->v[i].type, spec->set->v[i].flags,
			    spec->set->v[i].path);
	ret = backup_set_look(spec, spec->set, need, count_item, &l, err);
	if (ret >= 0)
		(void)link_table_each(l.links, is_stranger, &l);
	if (ret >= 0 && l.strangers) {
		ret = walk_tree(spec->root_fd, ".", WALK_NO_OPEN | WALK_XDEV,
				find_name, &l, err);
		(void)link_table_each(l.links, refuse_outside, &l);
	}
	link_table_free(l.links);
	/* in path order again, each once */
	if (ret >= 0)
		ret = effects_resolve(full, spec->root_fd, spec->ours,
				      &sorted, err);
	effects_release(full);
	*full = sorted;
	return ret;
}

int backup_set_complete(const struct backup_spec *spec, struct effects *full,
			struct backup_need *need, struct error *err)
{
	return complete(spec, full, need, NULL, false, err);
}

/* --- beside the packing --- */

struct look_job {
	const struct backup_spec *spec;
	pthread_t thread;
	bool joined;
	atomic_bool done, quit;
	int ret;
	struct effects full;
	struct backup_need need;
	struct error err;
};

static void *run(void *arg)
{
	struct look_job *j = arg;

	j->ret = complete(j->spec, &j->full, &j->need, &j->quit, false,
			  &j->err);
	atomic_store(&j->done, true);
	return NULL;
}

struct look_job *look_begin(const struct backup_spec *spec)
{
	struct look_job *j = xcalloc(1, sizeof(*j));

	j->spec = spec;
	if (thread_create(&j->thread, run, j) < 0) {
		j->joined = true;
		(void)run(j);
	}
	return j;
}

bool look_done(const struct look_job *j)
{
	return atomic_load(&j->done);
}

int look_end(struct look_job *j, struct effects *full,
	     struct backup_need *need, struct error *err)
{
	if (!j->joined)
		(void)pthread_join(j->thread, NULL);
	j->joined = true;
	if (j->ret < 0) {
		if (err)
			error_move(err, &j->err);
		return j->ret;
	}
	*full = j->full;
	*need = j->need;
	memset(&j->full, 0, sizeof(j->full));
	memset(&j->need, 0, sizeof(j->need));
	return 0;
}

void look_free(struct look_job *j)
{
	if (!j)
		return;
	atomic_store(&j->quit, true);
	if (!j->joined)
		(void)pthread_join(j->thread, NULL);
	effects_release(&j->full);
	backup_need_release(&j->need);
	error_release(&j->err);
	free(j);
}

int backup_measure(const struct backup_spec *spec, struct backup_need *ret,
		   struct error *err)
{
	struct effects full = EFFECTS_INIT;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = complete(spec, &full, ret, NULL, true, err);
	effects_release(&full);
	return r;
}

void backup_need_release(struct backup_need *n)
{
	strvec_release(&n->lost);
	strvec_release(&n->refused);
}
