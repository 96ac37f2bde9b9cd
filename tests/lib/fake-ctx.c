/* SPDX-License-Identifier: MIT */
#include "fake-ctx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backup.h"
#include "base/fsutil.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "manifest.h"
#include "steps.h"
#include "undo.h"

/* --- the world --- */

static int open_dir(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_join(dir, name);

	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static struct step_ctx *open_world(char *dir)
{
	struct step_ctx *c = xcalloc(1, sizeof(*c));

	c->dir = dir;
	c->root = path_join(dir, "root");
	c->root_fd = open_dir(dir, "root");
	c->state_fd = open_dir(dir, "state");
	c->backup_fd = open_dir(dir, "state/backup");
	c->facts = json_object_new_object();
	c->scope.root = c->root;
	c->scope.run_id = "TEST";
	c->scope.run_started = FAKE_STARTED;
	return c;
}

struct step_ctx *fake_new(void)
{
	const char *base = getenv("TMPDIR");
	char *dir = xasprintf("%s/upshift-test-XXXXXX", base ? base : "/tmp");
	_cleanup_free_ char *root = NULL, *state = NULL, *backup = NULL;

	if (!mkdtemp(dir)) {
		free(dir);
		return NULL;
	}
	root = path_join(dir, "root");
	state = path_join(dir, "state");
	backup = path_join(dir, "state/backup");
	if (mkdir(root, 0755) || mkdir(state, 0700) || mkdir(backup, 0700))
		die("cannot make %s", dir);
	return open_world(dir);
}

static void forget_plan(struct step_ctx *c)
{
	plan_free(c->plan);
	c->plan = NULL;
	c->step = NULL;
	plan_problems_release(&c->problems);
	memset(&c->problems, 0, sizeof(c->problems));
}

void fake_free(struct step_ctx *c, bool remove)
{
	forget_plan(c);
	json_object_put(c->scope.env_used);
	json_object_put(c->facts);
	effects_release(&c->effects);
	strvec_release(&c->stages);
	strvec_release(&c->log);
	error_release(&c->err);
	close(c->root_fd);
	close(c->state_fd);
	close(c->backup_fd);
	if (remove) {
		_cleanup_free_ char *line = xasprintf("chmod -R u+rwx '%s' "
					"2>/dev/null; rm -rf '%s'", c->dir,
					c->dir);

		if (system(line))
			die("cannot remove %s", c->dir);
	}
	free(c->dir);
	free(c->root);
	free(c);
}

static int load(struct step_ctx *c)
{
	_cleanup_free_ char *path = path_join(c->dir, "plan.conf");
	int ret;

	forget_plan(c);
	error_release(&c->err);
	ret = plan_load(path, step_kinds, &c->scope, &c->plan, &c->problems,
			&c->err);
	if (ret >= 0)
		c->step = c->plan->check_n ? c->plan->checks[0] :
			c->plan->steps[0];
	return ret;
}

int fake_load(struct step_ctx *c, const char *steps)
{
	_cleanup_free_ char *text = xasprintf("plan = 1; name = \"t\"; "
			"from = \"1\"; to = \"2\";\n%s\n", steps);
	int dir = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret = fs_write_file(dir, "plan.conf", text, strlen(text), 0644);

	close(dir);
	return ret < 0 ? ret : load(c);
}

struct step_ctx *fake_world(const char *steps, const char *line)
{
	struct step_ctx *c = fake_new();

	if (!c)
		die("no scratch directory");
	fake_sh(c, line);
	if (fake_load(c, steps) < 0)
		die("plan: %s", fake_problem(c));
	return c;
}

const char *fake_problem(struct step_ctx *c)
{
	return c->problems.n ? c->problems.v[0].message :
		c->err.msg ? c->err.msg : "";
}

void fake_step(struct step_ctx *c, size_t i)
{
	c->step = c->plan->steps[i];
	json_object_put(c->facts);
	c->facts = json_object_new_object();
	effects_release(&c->effects);
	c->pre[0] = '\0';
	fake_save(c);
}

/* --- what outlives a process --- */

void fake_save(struct step_ctx *c)
{
	_cleanup_json_ struct json_object *o = json_object_new_object();
	struct strbuf sb = STRBUF_INIT;
	int fd;

	json_set_int(o, "step", plan_step_index(c->plan, c->step->id));
	json_set_int(o, "attempt", c->attempt);
	json_set_str(o, "pre", c->pre);
	json_object_object_add(o, "effects", effects_to_json(&c->effects));
	json_object_object_add(o, "facts", json_object_get(c->facts));
	json_print(o, &sb);
	/* not through fs_*: the engine's journal is none of the step's calls */
	fd = openat(c->state_fd, "ctx.json.new", O_WRONLY | O_CREAT | O_TRUNC |
		    O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, sb.buf, sb.len) != (ssize_t)sb.len ||
	    close(fd) || renameat(c->state_fd, "ctx.json.new", c->state_fd,
				  "ctx.json"))
		die("cannot save the context");
	strbuf_release(&sb);
}

static void restore(struct step_ctx *c)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
	_cleanup_json_ struct json_object *o = NULL;

	if (fs_read_file(c->state_fd, "ctx.json", 1 << 20, &sb) < 0 ||
	    json_parse(sb.buf, sb.len, &o, NULL) < 0)
		die("cannot read the context");
	c->step = c->plan->steps[json_get_int(o, "step", 0)];
	c->attempt = (int)json_get_int(o, "attempt", 0);
	(void)snprintf(c->pre, sizeof(c->pre), "%s",
		       json_get_str(o, "pre", ""));
	effects_release(&c->effects);
	if (effects_from_json(json_get(o, "effects"), &c->effects) < 0)
		die("cannot read the effects");
	json_object_put(c->facts);
	c->facts = json_object_get(json_get(o, "facts"));
}

struct step_ctx *fake_open(const char *dir)
{
	struct step_ctx *c = open_world(xstrdup(dir));

	if (load(c) < 0)
		die("plan: %s", fake_problem(c));
	restore(c);
	return c;
}

void fake_pre_name(struct step_ctx *c, char *buf, size_t size,
		   const char *suffix)
{
	(void)snprintf(buf, size, "%s.%d%s", c->step->id, c->attempt, suffix);
}

static void drop_stages(struct step_ctx *c)
{
	for (size_t i = 0; i < c->stages.n; i++) {
		const char *name;
		_cleanup_close_ int dir = fs_open_parent(c->root_fd,
						c->stages.v[i], &name);

		if (dir >= 0)
			(void)fs_remove_tree(dir, name);
	}
	strvec_clear(&c->stages);
	(void)fs_remove_tree(c->state_fd, "stage");
}

/* --- the engine's part --- */

static int take_pre_image(struct step_ctx *c)
{
	struct effects set = EFFECTS_INIT;
	struct backup_result res = { 0 };
	struct backup_spec spec = { .root_fd = c->root_fd, .root = c->root,
				    .set = &set };
	char name[128];
	int ret = 0;

	spec.allow = &c->plan->allow_paths;
	for (size_t i = 0; i < c->effects.n; i++)
		if (c->effects.v[i].type != EFFECT_READ)
			effects_add(&set, c->effects.v[i].type,
				    c->effects.v[i].flags,
				    c->effects.v[i].path);
	c->pre[0] = '\0';
	fake_pre_name(c, name, sizeof(name), "");
	if (set.n)
		ret = backup_create(c->backup_fd, name, &spec, &res, &c->err);
	if (set.n && ret >= 0)
		memcpy(c->pre, res.manifest_digest, sizeof(c->pre));
	effects_release(&set);
	return ret;
}

int fake_begin(struct step_ctx *c)
{
	struct effects declared = EFFECTS_INIT;
	int ret;

	error_release(&c->err);
	effects_release(&c->effects);
	ret = step_effects(c->step, c->plan, c, &declared, &c->err);
	if (ret >= 0)
		ret = effects_resolve(&declared, c->root_fd, NULL,
				      &c->effects, &c->err);
	effects_release(&declared);
	c->attempt++;
	json_object_put(c->facts);
	c->facts = json_object_new_object();
	if (ret >= 0)
		ret = take_pre_image(c);
	fake_save(c);
	return ret;
}

static int call_apply(struct step_ctx *c)
{
	int ret = c->step->ops->apply(c->step, c, &c->err);

	drop_stages(c);
	return ret;
}

int fake_apply(struct step_ctx *c)
{
	int ret = fake_begin(c);

	return ret < 0 ? ret : call_apply(c);
}

static int put_paths_back(struct step_ctx *c)
{
	struct effects set = EFFECTS_INIT;
	struct undo *u = NULL;
	char pre[128], aside[128];
	struct undo_spec spec = {
		.root_fd = c->root_fd, .root = c->root, .ours = NULL,
		.backup_fd = c->backup_fd, .effects = &set, .pre_name = pre,
		.pre_digest = c->pre, .aside_name = aside, .run_id = "TEST",
	};
	int ret;

	fake_pre_name(c, pre, sizeof(pre), "");
	fake_pre_name(c, aside, sizeof(aside), ".aside");
	for (size_t i = 0; i < c->effects.n; i++)
		if (c->effects.v[i].type != EFFECT_READ)
			effects_add(&set, c->effects.v[i].type,
				    c->effects.v[i].flags,
				    c->effects.v[i].path);
	ret = undo_open(&u, &spec, &c->err);
	if (ret >= 0)
		ret = undo_prepare(u, &c->err);
	if (ret >= 0)
		ret = undo_commit(u, &c->err);
	if (ret >= 0)
		ret = undo_check(u, &c->err);
	undo_free(u);
	effects_release(&set);
	return ret;
}

int fake_put_back(struct step_ctx *c)
{
	int ret = 0;

	error_release(&c->err);
	drop_stages(c);
	if (c->step->ops->undo)
		ret = c->step->ops->undo(c->step, c, &c->err);
	return ret < 0 || !c->pre[0] ? ret : put_paths_back(c);
}

enum step_probe fake_probe(struct step_ctx *c)
{
	enum step_probe p = PROBE_UNKNOWN;

	error_release(&c->err);
	if (c->step->ops->probe(c->step, c, &p, &c->err) < 0)
		die("probe: %s", c->err.msg);
	return p;
}

enum check_state fake_check(struct step_ctx *c)
{
	struct check_result r;
	enum check_state s;

	check_result_init(&r);
	error_release(&c->err);
	if (c->step->ops->check(c->step, c, &r, &c->err) < 0)
		die("check: %s", c->err.msg);
	strvec_pushf(&c->log, "check: %s", r.message.buf);
	s = r.state;
	check_result_release(&r);
	return s;
}

char *fake_preview(struct step_ctx *c)
{
	struct preview p = { 0 };
	struct strbuf sb = STRBUF_INIT;

	error_release(&c->err);
	if (c->step->ops->preview(c->step, c, &p, &c->err) < 0)
		die("preview: %s", c->err.msg);
	if (p.nothing)
		strbuf_addstr(&sb, "nothing\n");
	for (size_t i = 0; i < p.lines.n; i++)
		strbuf_addf(&sb, "%s\n", p.lines.v[i]);
	strvec_release(&p.lines);
	return strbuf_detach(&sb);
}

int fake_verify(struct step_ctx *c)
{
	error_release(&c->err);
	if (c->step->ops->verify)
		return c->step->ops->verify(c->step, c, &c->err);
	return fake_probe(c) == PROBE_FULLY ? 0 : -EBADMSG;
}

/* --- another process --- */

int fake_child(struct step_ctx *c, const char *fault)
{
	pid_t pid = fork();
	int st;

	if (pid == 0) {
		if (fault)
			(void)setenv("UPSHIFT_TEST_FAULT", fault, 1);
		execl("/proc/self/exe", "fake-ctx", "--apply", c->dir,
		      (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &st, 0) != pid)
		die("cannot run a child");
	restore(c);
	return WIFSIGNALED(st) ? 128 + WTERMSIG(st) : WEXITSTATUS(st);
}

void fake_child_main(int argc, char **argv)
{
	struct step_ctx *c;
	int ret;

	if (argc != 3 || strcmp(argv[1], "--apply") != 0)
		return;
	c = fake_open(argv[2]);
	ret = call_apply(c);
	fake_free(c, false);
	exit(ret < 0 ? 1 : 0);
}

void fake_sh(struct step_ctx *c, const char *line)
{
	_cleanup_free_ char *cmd = xasprintf("cd '%s' && umask 022 && %s",
					     c->root, line);

	if (system(cmd))
		die("failed: %s", line);
}
