/* SPDX-License-Identifier: MIT */
/*
 * Random keys for the program as it is installed, with a real engine: on a run
 * that is over nothing may change without the typed words, and on a new one
 * nothing but what its steps do; no process crashes or has a sanitizer report.
 * KEYS is how many (make check-keys: 100,000), SEED which.
 */
#include "../unit/scratch.h"

#include <ctype.h>
#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "pty.h"
#include "run.h"

#define ESC "\033"
#define PATIENCE_S 180
#define KEYS_USUAL 1500
/* of its output, for the message of a failure */
#define LAST_BYTES 6000

static const char plan_text[] =
	"plan = 1; name = \"acme\"; title = \"Acme\"; from = \"1\"; to = \"2\";\n"
	"support = \"Acme, +49 30 5555 123\";\n"
	"backup: { include = [\"data\"]; };\n"
	"answers = ( { id = \"mail\"; prompt = \"Admin mail\"; default = \"a@b.c\"; } );\n"
	"checks = ( { id = \"C01\"; kind = \"exists\"; paths = [\"data\"]; } );\n"
	"steps = ( { id = \"dirs\"; kind = \"mkdir\"; paths = [\"new\"]; },\n"
	" { id = \"conf\"; kind = \"write\"; path = \"data/b\"; text = \"two\\n\"; },\n"
	" { id = \"tool\"; kind = \"run\"; run = [\"sh\", \"step.sh\"];\n"
	"   creates = [\"new/made\"]; },\n"
	" { id = \"no-way-back\"; kind = \"run\"; run = [\"touch\", \"dropped\"];\n"
	"   optional = true; },\n"
	" { id = \"last\"; kind = \"write\"; path = \"new/last\"; text = \"end\\n\"; } );\n"
	"verify = ( { id = \"V01\"; kind = \"exists\"; paths = [\"new/last\"]; } );\n";

/* every other time it fails */
static const char step_text[] =
	"echo one line; echo another\n"
	"[ -e ../odd ] && { rm ../odd; exit 3; }\n"
	"touch ../odd; echo made >new/made\n";

/* those that lead somewhere come more often */
static const char *const keys[] = {
	"\r", "\r", "\r", "\r", "\r", "\r", "\t", "\t", "\t", "\t", ESC "[Z",
	"\t\r", "\t\r", "\t\r", "\t\r", "\t\t\r", "1\r", "2\r", "2\r", "3\r",
	ESC "[A", ESC "[B", ESC "[B", ESC "[C", ESC "[D", "1", "2", "3", "4",
	"9", " ", "y", "n", "a", "d", "f", "g", "G", "h", "j", "k", "l", "m",
	"N", "o", "p", "q", "r", "s", "v", "x", "?", "/", "<", ESC, "\f",
	"\003", "\001", "\004", "\005", "\013", "\025", "\027", "\022", "\023",
	"\177", "\b", ESC "OP", ESC "[H", ESC "[F", ESC "[5~", ESC "[6~",
	ESC "[3~", ESC "[999~", ESC "[1;5C", ESC "[<0;5;17M" ESC "[<0;5;17m",
	ESC "[<64;9;9M", ESC "[200~roll back\r" ESC "[201~", "roll back to ",
	"\xc2\xb5", "\xff", "\xe6\xbc", "\x9b", "0", "-", "e", "u",
};

static const struct {
	int cols, lines;
} sizes[] = {
	{ 80, 24 }, { 80, 24 }, { 80, 24 }, { 132, 43 }, { 60, 16 }, { 40, 12 },
	{ 38, 9 }, { 1, 1 }, { 500, 300 }, { 500, 2 }, { 2, 300 }, { 81, 25 },
};

struct world {
	struct scratch *s;
	char *root, *plan;
	struct pty p;
	bool open;
	uint64_t seed;
	unsigned long sessions;
	struct strvec seen;          /* codes of screens */
};

/* xorshift64*: the same keys everywhere */
static size_t any(struct world *x, size_t n)
{
	x->seed ^= x->seed >> 12;
	x->seed ^= x->seed << 25;
	x->seed ^= x->seed >> 27;
	return (size_t)((x->seed * 2685821657736338717ull) >> 33) % n;
}

static unsigned long number(const char *name, unsigned long usual)
{
	const char *v = getenv(name);

	return v && *v ? strtoul(v, NULL, 10) : usual;
}

static void put_root(struct world *x)
{
	put_dir(x->s->fd, "root");
	put_dir(x->s->fd, "root/data");
	put_dir(x->s->fd, "root/data/sub");
	put_file(x->s->fd, "root/data/a", "one\n");
	put_file(x->s->fd, "root/data/sub/c", "three\n");
	put_file(x->s->fd, "root/step.sh", step_text);
	put_file(x->s->fd, "acme.plan", plan_text);
}

/* Where a sanitizer that is built in writes to; UBSan's words go to the
   terminal, see show_end(). Whoever is killed at any time may leak. */
static void set_reports(struct world *x)
{
	_cleanup_free_ char *options = xasprintf("log_path=%s/reports/of:"
		"exitcode=99:halt_on_error=1:detect_leaks=0:"
		"print_stacktrace=1", x->s->dir);

	assert_int_equal(setenv("ASAN_OPTIONS", options, 1), 0);
	assert_int_equal(setenv("UBSAN_OPTIONS", options, 1), 0);
}

static void world_init(struct world *x, struct scratch *s)
{
	memset(x, 0, sizeof(*x));
	x->s = s;
	x->seed = number("SEED", 20261121) * 2 + 1;
	x->root = xasprintf("%s/root", s->dir);
	x->plan = xasprintf("%s/acme.plan", s->dir);
	put_root(x);
	put_dir(s->fd, "reports");
	set_reports(x);
	/* support files go there */
	assert_int_equal(fchdir(s->fd), 0);
	assert_int_equal(setenv("HOME", s->dir, 1), 0);
	assert_int_equal(setenv("XDG_STATE_HOME", s->dir, 1), 0);
}

/* no process of ours has written one */
static void assert_no_report(struct world *x)
{
	int fd = openat(x->s->fd, "reports", O_RDONLY | O_DIRECTORY);

	if (entries(fd)) {
		_cleanup_free_ char *cmd = xasprintf("cat %s/reports/* >&2",
						     x->s->dir);

		if (system(cmd))
			print_message("# and cannot be read\n");
		fail_msg("a sanitizer has something to say");
	}
	(void)close(fd);
}

/* --- the engine --- */

static pid_t engine_pid(struct world *x)
{
	struct lock_holder h;
	struct state_dir sd;
	pid_t ret = 0;

	if (!there(x->s->fd, "root/.upshift"))
		return 0;
	if (state_dir_open(&sd, x->root, NULL, true, NULL) < 0)
		return 0;
	if (sd.fd >= 0 && state_dir_is_locked(&sd, &h))
		ret = (pid_t)h.pid;
	state_dir_release(&sd);
	return ret;
}

static void end_engine(struct world *x)
{
	uint64_t since = clock_mono_ns();
	pid_t pid;

	while ((pid = engine_pid(x)) > 0) {
		(void)kill(pid, SIGKILL);
		(void)poll(NULL, 0, 10);
		assert_true(clock_since(since) < PATIENCE_S);
	}
}

/* --- what may not change --- */

static struct strbuf snapshot;
static size_t root_len;
static const char *left_out;

static int add_entry(const char *path, const struct stat *st, int type,
		     struct FTW *ftw)
{
	(void)ftw;

	if (str_starts(path + root_len, left_out))
		return 0;
	strbuf_addf(&snapshot, "%s %o", path + root_len, st->st_mode);
	if (type == FTW_F) {
		char buf[4096];
		int fd = open(path, O_RDONLY);
		ssize_t n = read(fd, buf, sizeof(buf));

		assert_in_range(n, 0, sizeof(buf) - 1);
		strbuf_addf(&snapshot, " %ld.%09ld ", (long)st->st_mtim.tv_sec,
			    st->st_mtim.tv_nsec);
		strbuf_add(&snapshot, buf, (size_t)n);
		(void)close(fd);
	}
	strbuf_addch(&snapshot, '\n');
	return 0;
}

/* all below root but what begins so */
static char *look_at(struct world *x, const char *without)
{
	strbuf_init(&snapshot);
	root_len = strlen(x->root);
	left_out = without;
	assert_int_equal(nftw(x->root, add_entry, 16, FTW_PHYS), 0);
	return strbuf_detach(&snapshot);
}

/* --- keys --- */

static void open_screen(struct world *x, const char *command)
{
	const char *argv[6] = { getenv("UPSHIFT"), command };
	struct pty_setup setup = { .argv = argv, .blind = true };
	int n = 2;

	if (!strcmp(command, "run"))
		argv[n++] = x->plan;
	argv[n++] = "--root";
	argv[n++] = x->root;
	if (any(x, 4) == 0)
		setup.term = "linux";
	if (any(x, 4) == 0)
		setup.locale = "C";
	pty_start(&x->p, "", 80, 24, &setup);
	x->open = true;
	x->sessions++;
}

static void close_screen(struct world *x)
{
	if (!x->open)
		return;
	(void)pty_end(&x->p);
	x->open = false;
}

/* the codes of screens that were written since */
static void note_codes(struct world *x)
{
	struct strbuf *raw = &x->p.raw;
	const char *at = raw->buf;

	/* after K81 its figure alone is new */
	if (strstr(at, "Type these words") && !strvec_has(&x->seen, "K82"))
		strvec_push(&x->seen, "K82");
	while ((at = strchr(at, '['))) {
		at++;
		if (at[0] >= 'A' && at[0] <= 'Z' && isdigit((unsigned char)at[1]) &&
		    isdigit((unsigned char)at[2]) && at[3] == ']') {
			_cleanup_free_ char *code = xstrndup(at, 3);

			if (!strvec_has(&x->seen, code))
				strvec_push(&x->seen, code);
		}
	}
	/* what came last is kept for show_end() */
	if (raw->len > LAST_BYTES) {
		memmove(raw->buf, raw->buf + raw->len - LAST_BYTES, LAST_BYTES);
		strbuf_set_len(raw, LAST_BYTES);
	}
}

/* what it wrote at last, the sanitizer's words among it, and its reports */
static void show_end(struct world *x)
{
	pty_read_all(&x->p, 60);
	for (size_t i = x->p.raw.len - MIN(x->p.raw.len, LAST_BYTES);
	     i < x->p.raw.len; i++) {
		unsigned char c = (unsigned char)x->p.raw.buf[i];

		if (c >= ' ' || c == '\n')
			(void)fputc(c, stderr);
		else
			(void)fprintf(stderr, "^%c", c + '@');
	}
	(void)fputc('\n', stderr);
	assert_no_report(x);
}

/* it may leave, with a status of its own; it must not crash */
static bool has_left(struct world *x)
{
	int status;

	if (waitpid(x->p.pid, &status, WNOHANG) != x->p.pid)
		return false;
	x->p.pid = 0;
	/* ^C is a signal until the screens have the terminal */
	if ((WIFSIGNALED(status) && WTERMSIG(status) != SIGINT) ||
	    WEXITSTATUS(status) == 99 ||
	    WEXITSTATUS(status) == 70 || WEXITSTATUS(status) == 127) {
		show_end(x);
		fail_msg("ended with %s %d after seed %llu",
			 WIFEXITED(status) ? "status" : "signal",
			 WIFEXITED(status) ? WEXITSTATUS(status) :
			 WTERMSIG(status), (unsigned long long)x->seed);
	}
	close_screen(x);
	return true;
}

static void storm(struct world *x)
{
	for (size_t i = any(x, 6); i-- > 0;) {
		size_t k = any(x, ARRAY_SIZE(sizes));

		pty_resize(&x->p, sizes[k].cols, sizes[k].lines);
	}
}

static void press(struct world *x, unsigned long i)
{
	const char *key = keys[any(x, ARRAY_SIZE(keys))];

	if (any(x, 40) == 0)
		storm(x);
	/* the screen is as large as usual for most of the time */
	else if (any(x, 20) == 0)
		pty_resize(&x->p, 80, 24);
	pty_keys(&x->p, key);
	/* each is acted on, as far as a page lets it; some wait for the engine */
	if (any(x, 24) == 0)
		pty_read_all(&x->p, 60);
	else
		pty_read(&x->p, 3);
	if (i % 16 == 0)
		note_codes(x);
}

static void report(struct world *x, unsigned long n)
{
	_cleanup_free_ char *codes = joined(&x->seen);

	print_message("# %lu keys, %lu sessions, screens: %s\n", n,
		      x->sessions, codes);
}

static void world_end(struct world *x)
{
	close_screen(x);
	end_engine(x);
	assert_no_report(x);
	assert_int_equal(chdir("/"), 0);
	strvec_release(&x->seen);
	free(x->root);
	free(x->plan);
}

/* --- the two --- */

static void in_batch(struct world *x)
{
	_cleanup_free_ char *cmd = xasprintf("'%s' run '%s' --root '%s' "
		"--batch --yes --skip no-way-back >batch.txt 2>&1", getenv("UPSHIFT"), x->plan,
		x->root);

	/* with a step that was skipped */
	assert_int_equal(WEXITSTATUS(system(cmd)), 3);
}

static void t_finished(void **state)
{
	unsigned long n = number("KEYS", KEYS_USUAL) / 2;
	_cleanup_free_ char *before = NULL;
	struct world x;

	world_init(&x, *state);
	in_batch(&x);
	before = look_at(&x, "/.upshift");
	assert_non_null(strstr(before, "/new/last"));
	for (unsigned long i = 0; i < n; i++) {
		if (!x.open)
			open_screen(&x, any(&x, 2) ? "run" : "rollback");
		press(&x, i);
		if (i % 8 == 7 && has_left(&x) && i % 5 == 0) {
			_cleanup_free_ char *now = look_at(&x, "/.upshift");

			assert_string_equal(before, now);
		}
		if (i % 1000 == 999)
			close_screen(&x);
	}
	close_screen(&x);
	end_engine(&x);
	{
		_cleanup_free_ char *now = look_at(&x, "/.upshift");

		assert_string_equal(before, now);
	}
	report(&x, n);
	world_end(&x);
}

static void clear_root(struct world *x)
{
	_cleanup_free_ char *cmd = xasprintf("rm -rf '%s' 2>/dev/null",
						x->root);
	uint64_t since = clock_mono_ns();

	/* one that was about to begin may begin now */
	do {
		end_engine(x);
		assert_true(clock_since(since) < PATIENCE_S);
	} while (system(cmd));
	put_root(x);
}

static void t_new(void **state)
{
	unsigned long n = number("KEYS", KEYS_USUAL) / 2;
	struct world x;

	world_init(&x, *state);
	x.seed += 2;
	for (unsigned long i = 0; i < n; i++) {
		if (!x.open) {
			/* sometimes the engine is killed where it stands */
			if (any(&x, 4) == 0)
				end_engine(&x);
			if (any(&x, 3) == 0)
				clear_root(&x);
			open_screen(&x, "run");
		}
		press(&x, i);
		/* nobody touches what no step declares */
		assert_true(there(x.s->fd, "root/data/a"));
		assert_true(there(x.s->fd, "root/data/sub/c"));
		/* and the words of one step are never typed */
		assert_false(there(x.s->fd, "root/dropped"));
		if (i % 8 == 7)
			(void)has_left(&x);
		if (i % 1000 == 999)
			close_screen(&x);
	}
	report(&x, n);
	assert_true(strvec_has(&x.seen, "W10"));
	world_end(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_scratch(t_finished),
		with_scratch(t_new),
	};

	(void)umask(077);
	cmocka_set_test_filter(getenv("ONLY"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
