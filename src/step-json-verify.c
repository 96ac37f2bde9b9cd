/* SPDX-License-Identifier: MIT */
/* What json and jsonl say of the disk afterwards: probe, verify, undo. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/i18n.h"
#include "base/json.h"
#include "manifest.h"
#include "step-files.h"
#include "step-json-internal.h"

static int digest_now(const struct json_step *m, struct step_ctx *ctx,
		      const struct strvec *files, char out[XXH128_TEXT_SIZE],
		      struct error *err)
{
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;
	struct xxh_stream *x = xxh_stream_new();
	struct xxh128 sum;
	int ret = 0;

	step_json_targets(m, files, &all);
	for (size_t i = 0; i < all.n && ret >= 0; i++) {
		_cleanup_item_ struct item it = ITEM_INIT;

		ret = item_read(step_root_fd(ctx), all.v[i], true, &it, err);
		if (ret >= 0)
			step_json_digest_add(x, all.v[i], &it.digest);
	}
	sum = xxh_stream_end(x);
	xxh_stream_free(x);
	xxh128_format(&sum, out);
	return ret;
}

static int touched(const struct step *s, struct step_ctx *ctx,
		   const struct strvec *files, struct error *err)
{
	const struct json_step *m = s->priv;
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;
	int ret = 0;

	step_json_targets(m, files, &all);
	for (size_t i = 0; i < m->store_n; i++)
		if (m->stores[i].file)
			strvec_push(&all, m->stores[i].file);
	for (size_t i = 0; i < all.n && !ret; i++)
		ret = step_files_touched(ctx, all.v[i], err);
	return ret;
}

static int settle(const struct json_step *m, struct step_ctx *ctx,
		  const struct strvec *files, struct error *err)
{
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;
	int ret = 0;

	step_json_targets(m, files, &all);
	for (size_t i = 0; i < all.n && ret >= 0; i++)
		ret = step_files_settle(ctx, all.v[i], err);
	return ret;
}

int step_json_probe(const struct step *s, struct step_ctx *ctx,
		    enum step_probe *ret, struct error *err)
{
	const struct json_step *m = s->priv;
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	struct json_object *fact = step_get_fact(ctx, "result");
	char now[XXH128_TEXT_SIZE];
	int moved, r = step_json_files(m, ctx, &files, err);

	if (r < 0)
		return r;
	moved = touched(s, ctx, &files, err);
	if (moved < 0)
		return moved;
	*ret = moved ? PROBE_PARTLY : PROBE_NOT;
	if (!fact)
		return 0;
	r = digest_now(m, ctx, &files, now, err);
	if (r < 0 || strcmp(now, json_get_str(fact, "digest", "")) != 0)
		return r;
	*ret = PROBE_FULLY;
	return moved ? settle(m, ctx, &files, err) : 0;
}

static int verify_file(struct json_attempt *a, const char *path, struct error *err)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int ret = fd = step_json_open(a->ctx, path, &st, err);

	if (ret >= 0)
		ret = json_attempt_file(a, path, fd, err);
	if (ret >= 0)
		ret = json_holding_file(&a->after, fd, err);
	return ret;
}

static int verify_counts(const struct json_attempt *a, struct json_object *fact,
			 struct error *err)
{
	uint64_t want = (uint64_t)json_get_int(fact, "after", 0);

	if (a->left == want)
		return 0;
	return error_set(err, ERR_STEP_VERIFY, -EBADMSG,
			 _("there are %llu values, not %llu"),
			 (unsigned long long)a->left,
			 (unsigned long long)want);
}

int step_json_verify(const struct step *s, struct step_ctx *ctx,
		     struct error *err)
{
	_cleanup_strvec_ struct strvec files = STRVEC_INIT;
	_cleanup_strvec_ struct strvec all = STRVEC_INIT;
	struct json_object *fact = step_get_fact(ctx, "result");
	_cleanup_attempt_ struct json_attempt a;
	char now[XXH128_TEXT_SIZE] = "";
	int ret = json_attempt_init(&a, s, ctx, err);

	if (ret >= 0)
		ret = step_json_files(a.m, ctx, &files, err);
	if (ret >= 0)
		ret = digest_now(a.m, ctx, &files, now, err);
	if (ret < 0)
		return ret;
	if (!fact || strcmp(now, json_get_str(fact, "digest", "")) != 0)
		return error_set(err, ERR_STEP_VERIFY, -EBADMSG,
				 _("the files are not as this step left "
				   "them"));
	/* what was expected before is a matter of the past */
	a.pass.before = NULL;
	step_json_targets(a.m, &files, &all);
	a.pass.total = step_json_size(ctx, &all);
	for (size_t i = 0; i < all.n && ret >= 0; i++)
		ret = verify_file(&a, all.v[i], err);
	if (ret >= 0 && all.n)
		ret = json_holding_end(&a.after, err);
	return ret < 0 ? ret : verify_counts(&a, fact, err);
}

int step_json_undo(const struct step *s, struct step_ctx *ctx,
		   struct error *err)
{
	const struct json_step *m = s->priv;

	return json_secrets_undo(m->stores, m->store_n, s->id, ctx, err);
}
