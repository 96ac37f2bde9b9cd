/* SPDX-License-Identifier: MIT */
/*
 * The kinds json and jsonl: which files, which lines, what is left alone, what
 * plans are refused, and that a kill leaves old or new.
 */
#include "json-step.h"

#include <sys/xattr.h>

static void lines(void **state)
{
	static const struct edit_case cases[] = {
		{ LINES("edit = ( { op = \"rename\"; from = \"/a\"; to = "
			"\"b\"; where = \"@.a\"; } );"),
		  "{\"a\": 1}\r\n\r\n  {\"c\": 2} \n\n[1]\n{\"a\":3}",
		  "{\"b\": 1}\r\n\r\n  {\"c\": 2} \n\n[1]\n{\"b\":3}", NULL },
		{ LINES(""), "{}\n{]\n{}\n", NULL, "a.jsonl:2: column 2: " },
		{ LINES("edit = ( { op = \"remove\"; path = \"/a\"; } );"),
		  "{\"a\": 1}\n\n{}\n", NULL, "a.jsonl:3: operation 1" },
		{ LINES("edit = ( { op = \"add\"; path = \"/z\"; value = 1; } "
			"); bad_records = \"quarantine\";"),
		  "{\"a\": 1}\n{oops\n{}\n",
		  "{\"a\": 1, \"z\": 1}\n{oops\n{\"z\": 1}\n", NULL },
		{ LINES("bad_records = \"quarantine\"; max_bad = 1;"),
		  "{oops\n{}\n{again\n", NULL, "a.jsonl:3: " },
		{ LINES("select = \"$.m[*]\"; count = \"messages\"; expect = "
			"( { path = \"\"; type = \"number\"; unique = true; }"
			");"), "{\"m\": [1, 2]}\n{\"m\": [3]}\n",
		  "{\"m\": [1, 2]}\n{\"m\": [3]}\n", NULL },
		{ LINES(""), "", "", NULL },
	};

	(void)state;
	edits(cases, ARRAY_SIZE(cases), "a.jsonl");
}

/* in bytes, and in lines that are none of them blank, over all files */
static void progress(void **state)
{
	struct step_ctx *c = fake_new();

	(void)state;
	fake_sh(c, "printf '1\n\n2\n3' >a.jsonl; printf '4\n' >b.jsonl");
	assert_int_equal(fake_load(c, "steps = ( { id = \"s\"; kind = "
		"\"jsonl\"; paths = [\"*.jsonl\"]; } );"), 0);
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(c->done, 8);
	assert_int_equal(c->total, 8);
	assert_int_equal(c->records, 4);
	fake_free(c, true);
}

/* what the file is, but for its bytes, stays: owner, mode, xattrs, ACL */
static void what_a_file_keeps(void **state)
{
	static const char *const files[] = { "a.json", "a.jsonl" };
	static const char *const steps[] = {
		E("op = \"default\"; path = \"/v\"; value = 1;"),
		LINES("edit = ( { op = \"default\"; path = \"/v\"; "
		      "value = 1; } );"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		struct step_ctx *c = world(steps[i], files[i], "{ }\n");
		_cleanup_close_ int fd = openat(c->root_fd, files[i],
						O_RDWR | O_CLOEXEC);
		_cleanup_close_ int now = -1;
		/* u::rw-,u:1234:r--,g::r--,m::r--,o::--- as the kernel has it */
		static const unsigned char acl[] = { 2, 0, 0, 0,
			1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff,
			2, 0, 4, 0, 0xd2, 0x04, 0, 0,
			4, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
			0x10, 0, 4, 0, 0xff, 0xff, 0xff, 0xff,
			0x20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff };
		unsigned char got[sizeof(acl) + 1];
		struct stat a, b;
		bool acls, xattrs;

		assert_int_equal(fchmod(fd, 0640), 0);
		if (geteuid() == 0)
			assert_int_equal(fchown(fd, 1234, 4321), 0);
		xattrs = fsetxattr(fd, "user.kind", "mine\0x", 6, 0) == 0;
		acls = fsetxattr(fd, "system.posix_acl_access", acl,
				 sizeof(acl), 0) == 0;
		assert_int_equal(fstat(fd, &a), 0);
		assert_int_equal(fake_apply(c), 0);
		holds(c, files[i], "{\"v\": 1}\n");
		now = openat(c->root_fd, files[i], O_RDONLY | O_CLOEXEC);
		assert_int_equal(fstat(now, &b), 0);
		assert_true(a.st_ino != b.st_ino);
		assert_int_equal(b.st_mode, a.st_mode);
		assert_int_equal(b.st_uid, a.st_uid);
		assert_int_equal(b.st_gid, a.st_gid);
		/* a new text has a new time */
		assert_true(b.st_mtim.tv_sec > a.st_mtim.tv_sec ||
			    b.st_mtim.tv_nsec != a.st_mtim.tv_nsec);
		if (xattrs) {
			assert_int_equal(fgetxattr(now, "user.kind", got,
						   sizeof(got)), 6);
			assert_memory_equal(got, "mine\0x", 6);
		}
		if (acls) {
			assert_int_equal(fgetxattr(now,
				"system.posix_acl_access", got, sizeof(got)),
				sizeof(acl));
			assert_memory_equal(got, acl, sizeof(acl));
		}
		fake_free(c, true);
		if (!xattrs || !acls)
			skip();
	}
}

static void quarantine(void **state)
{
	struct step_ctx *c = world(LINES("edit = ( { op = \"remove\"; path = "
		"\"/a\"; } ); bad_records = \"quarantine\";"), "a.jsonl",
		"{\"a\": 1}\n{\"b\": 2}\n{\"a\": \xff}\n");
	_cleanup_strbuf_ struct strbuf s = STRBUF_INIT;

	(void)state;
	assert_int_equal(fake_check(c), CHECK_WARN);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.jsonl", "{}\n{\"b\": 2}\n{\"a\": \xff}\n");
	assert_int_equal(fs_read_file(c->state_fd, "quarantine-s.jsonl", 4096,
				      &s), 0);
	assert_non_null(strstr(s.buf, "\"line\":2"));
	assert_non_null(strstr(s.buf, "no such value"));
	assert_non_null(strstr(s.buf, "{\\\"b\\\": 2}"));
	/* bytes that are no UTF-8 as base64 */
	assert_non_null(strstr(s.buf, "\"record64\":\"eyJhIjog/30=\""));
	assert_non_null(strstr(c->log.v[c->log.n - 1], "2 bad records"));
	fake_free(c, true);
}

/* --- files --- */

static void what_is_not_touched(void **state)
{
	struct step_ctx *c = world("steps = ( { id = \"s\"; kind = \"json\"; "
		"paths = [\"d/**/*.json\"]; edit = ( { op = \"default\"; path "
		"= \"/v\"; value = 2; } ); } );", "x.json", "{}");
	struct stat a, b;

	(void)state;
	fake_sh(c, "mkdir -p d/e; printf '{\"v\": 1}' >d/one.json; "
		"printf '{ }' >d/e/two.json; printf x >d/other; "
		"chmod 640 d/e/two.json; ln -s two.json d/e/link.json");
	assert_int_equal(fstatat(c->root_fd, "d/one.json", &a, 0), 0);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "d/e/two.json", "{\"v\": 2}");
	assert_int_equal(fstatat(c->root_fd, "d/e/two.json", &b, 0), 0);
	assert_int_equal(b.st_mode & 07777, 0640);
	/* nothing to do: the same file with the same time */
	assert_int_equal(fstatat(c->root_fd, "d/one.json", &b, 0), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
	/* what came later is none of ours */
	fake_sh(c, "echo '[]' >d/new.json");
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	/* what was changed behind our back is seen */
	fake_sh(c, "echo '{}' >d/one.json");
	assert_int_equal(fake_verify(c), -EBADMSG);
	fake_free(c, true);
}

static void alternatives(void **state)
{
	static const char steps[] = "steps = ( { id = \"s\"; kind = \"json\"; "
		"path = [\"new/a.json\", \"a.json\"]; count = \"things\"; "
		"select = \"$[*]\"; edit = ( { op = \"replace\"; path = \"\"; "
		"value = 0; } ); } );";
	struct step_ctx *c = world(steps, "a.json", "[1]");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "[0]");
	fake_free(c, true);

	c = world(steps, "a.json", "[1]");
	fake_sh(c, "mkdir new; echo '[2]' >new/a.json");
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "[1]");
	holds(c, "new/a.json", "[0]\n");
	fake_free(c, true);

	/* none of them: nothing to do, and no error */
	c = world(steps, "b.json", "[1]");
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_apply(c), 0);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	fake_free(c, true);
}

static void output(void **state)
{
	struct step_ctx *c = world(STEP("output = \"cache/index.json\"; "
		"select = \"$[*]\"; edit = ( { op = \"remove\"; path = "
		"\"/big\"; } );"), "a.json",
		"[ {\"id\": 1, \"big\": 2},\n {\"big\": 1} ]\n");

	(void)state;
	assert_int_equal(fake_apply(c), 0);
	holds(c, "a.json", "[ {\"id\": 1, \"big\": 2},\n {\"big\": 1} ]\n");
	holds(c, "cache/index.json", "[ {\"id\": 1},\n {} ]\n");
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	assert_false(there(c->root_fd, "cache"));
	fake_free(c, true);
}

static void previews(void **state)
{
	struct step_ctx *c = world(E("op = \"rename\"; from = \"/a\"; to = "
				     "\"b\";"), "a.json", "{\n  \"a\": 1\n}\n");
	char *p = fake_preview(c);

	(void)state;
	assert_non_null(strstr(p, "edit 'a.json': 1 of 1 values change"));
	assert_non_null(strstr(p, "-  \"a\": 1\n+  \"b\": 1"));
	free(p);
	fake_free(c, true);
}

/* --- plans --- */

static void refused_plans(void **state)
{
	static const struct { const char *steps, *why; } cases[] = {
		{ "steps = ( { id = \"s\"; kind = \"json\"; } );",
		  "one of 'path' and 'paths'" },
		{ STEP("select = \"$[?length(@.a) > 1]\";"),
		  "the function 'length' is not supported" },
		{ STEP("select = \"a\";"), "a path begins with '$'" },
		{ E("op = \"ad\"; path = \"/a\";"), "did you mean 'add'" },
		{ E("op = \"add\"; path = \"a\"; value = 1;"),
		  "no JSON Pointer" },
		{ E("op = \"add\"; path = \"/a\";"), "'value' is missing" },
		{ E("op = \"add\"; path = \"/a\"; value = 1; json = \"1\";"),
		  "one of 'value' and 'json'" },
		{ E("op = \"add\"; path = \"/a\"; json = \"{\";"),
		  "no valid JSON" },
		{ E("op = \"rename\"; from = \"/a\"; to = \"/b\";"),
		  "a name, not a path" },
		{ E("op = \"rename\"; from = \"\"; to = \"b\";"),
		  "has no name here" },
		{ E("op = \"remove\"; path = \"/a\"; where = \"@.a = 1\";"),
		  "no condition" },
		{ E("op = \"remove\"; path = \"/a\"; value = 1;"),
		  "unknown key 'value'" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"{\"; store = { "
		    "file = \"s/k.json\"; };"), "without its other half" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"x\";"),
		  "'store' is missing" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"x\"; store = { "
		    "file = \"k.json\"; };"), "directory of its own" },
		{ E("op = \"secret\"; path = \"/a\"; name = \"x\"; store = { "
		    "put = [\"p\", \"{name}\"]; get = [\"g\"]; remove = "
		    "[\"r\", \"{name}\"]; };"), "'{name}'" },
		{ STEP("split = \"{id}.json\";"), "a directory" },
		{ STEP("split = \"../x/{id}\";"), "below the root" },
		{ STEP("split = \"n/{id}\"; output = \"x\";"),
		  "a step of its own" },
		{ LINES("expect = ( { path = \"$.a\"; } );"), "no meaning" },
		{ STEP("bad_records = \"stop\";"), "unknown key" },
		{ STEP("expect = ( { path = \"/a\"; type = \"text\"; } );"),
		  "unknown word 'text'" },
		{ STEP("expect = ( { path = \"/a\"; min = \"1\"; } );"),
		  "must be a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct step_ctx *c = fake_new();

		assert_int_equal(fake_load(c, cases[i].steps), -EINVAL);
		if (!strstr(fake_problem(c), cases[i].why))
			fail_msg("%s: %s", cases[i].steps, fake_problem(c));
		fake_free(c, true);
	}
}

/* --- split and join --- */

#define SPLIT STEP("select = \"$.n[*]\"; split = \"notes/{id}.json\";")
#define JOIN "steps = ( { id = \"s\"; kind = \"json\"; path = " \
	"\"all.json\"; join = [\"notes/*.json\"]; } );"

static void splits_and_joins(void **state)
{
	static const char doc[] = "{\"n\": [{\"id\": \"b\",  \"v\": 1.0},\n"
		" {\"id\": 7, \"x\": [ ]}]}";
	static const struct { const char *text, *why; } bad[] = {
		{ "{\"n\": [{\"id\": 1}, {\"id\": \"1\"}]}", "two values" },
		{ "{\"n\": [{\"id\": \"a/b\"}]}", "slash" },
		{ "{\"n\": [{}]}", "there is no 'id'" },
	};
	struct step_ctx *c = world(SPLIT, "a.json", doc);
	char *before = fake_tree(c), *after;

	(void)state;
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "notes/b.json", "{\"id\": \"b\",  \"v\": 1.0}\n");
	holds(c, "notes/7.json", "{\"id\": 7, \"x\": [ ]}\n");
	holds(c, "a.json", doc);
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	assert_int_equal(fake_put_back(c), 0);
	after = fake_tree(c);
	assert_string_equal(after, before);
	free(before);
	free(after);
	/* a file that is there must be equal */
	fake_sh(c, "mkdir notes; echo 1 >notes/7.json");
	assert_int_equal(fake_check(c), CHECK_FAIL);
	assert_int_equal(fake_apply(c), -EEXIST);
	fake_free(c, true);

	c = world(JOIN, "b", "");
	fake_sh(c, "mkdir notes; echo ' {\"a\" : 1.0}' >notes/2.json; "
		"echo 7 >notes/1.json");
	assert_int_equal(fake_check(c), CHECK_OK);
	assert_int_equal(fake_apply(c), 0);
	holds(c, "all.json", "[\n  7,\n  {\"a\" : 1.0}\n]\n");
	assert_int_equal(fake_probe(c), PROBE_FULLY);
	assert_int_equal(fake_verify(c), 0);
	fake_free(c, true);

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		c = world(SPLIT, "a.json", bad[i].text);
		assert_int_equal(fake_check(c), CHECK_FAIL);
		assert_non_null(strstr(c->log.v[c->log.n - 1], bad[i].why));
		assert_true(fake_apply(c) < 0);
		fake_free(c, true);
	}
}

/* --- kills --- */

static void kills(void **state)
{
	(void)state;
	assert_true(fake_sweep(STEP("select = \"$[*]\"; edit = ( { op = "
		"\"default\"; path = \"/v\"; value = 1; } );"),
		"echo '[{}, {\"v\": 2}]' >a.json; chmod 600 a.json") > 3);
	assert_true(fake_sweep("steps = ( { id = \"s\"; kind = \"jsonl\"; "
		"paths = [\"*.jsonl\"]; edit = ( { op = \"remove\"; path = "
		"\"/v\"; where = \"@.v\"; } ); } );",
		"for i in a b c; do echo '{\"v\": 1}' >$i.jsonl; done; "
		"echo '{}' >d.jsonl") > 6);
	assert_true(fake_sweep(SECRET(FILE_STORE),
		"echo '{\"p\": [{\"id\": 1, \"key\": \"x\"}]}' >a.json") > 6);
	assert_true(fake_sweep(SPLIT, "echo '{\"n\": [{\"id\": 1}, "
		"{\"id\": 2}, {\"id\": 3}]}' >a.json") > 6);
	assert_true(fake_sweep(JOIN, "mkdir notes; echo 1 >notes/1.json")
		    > 3);
	assert_true(fake_sweep(STEP("output = \"n/b.json\";"),
		"echo '[]' >a.json") > 3);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(progress),
		cmocka_unit_test(what_a_file_keeps),
		cmocka_unit_test(quarantine),
		cmocka_unit_test(what_is_not_touched),
		cmocka_unit_test(alternatives),
		cmocka_unit_test(output),
		cmocka_unit_test(previews),
		cmocka_unit_test(refused_plans),
		cmocka_unit_test(splits_and_joins),
		cmocka_unit_test(kills),
	};

	fake_child_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
