/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "redact.h"

struct pair {
	const char *in, *out;
};

static void lines_are(struct redact *r, const struct pair *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

		redact_line(r, p[i].in, strlen(p[i].in), &out);
		assert_string_equal(out.buf, p[i].out);
	}
}

static void test_values(void **state)
{
	static const struct pair lines[] = {
		{ "login as hush hush\\\"1 done", "login as [redacted] done" },
		{ "x hush hush\"1", "x [redacted]" },
		{ "aHVzaCBodXNoIjE=", "[redacted]" },
		{ "url ?p=hush%20hush%221&x", "url ?p=[redacted]&x" },
		{ "two lines: second-line here", "two lines: [redacted] here" },
		/* three letters are no secret inside of words */
		{ "fax 123 axfb", "fax 123 axfb" },
		{ "is axf.", "is [redacted]." },
		{ "nothing", "nothing" },
	};
	_cleanup_redact_ struct redact r = REDACT_INIT;

	(void)state;
	redact_add_value(&r, "hush hush\"1");
	redact_add_value(&r, "first-line\nsecond-line\n}");
	redact_add_value(&r, "axf");
	redact_add_value(&r, "");
	lines_are(&r, lines, ARRAY_SIZE(lines));
	assert_int_equal(r.counts[REDACT_VALUE], 6);
}

static void test_names(void **state)
{
	static const struct pair lines[] = {
		{ "password = my pass phrase", "password = [redacted]" },
		{ "Password: my pass phrase", "Password: [redacted]" },
		{ "db_password='it''s' other", "db_password='[redacted]''s' other" },
		{ "{\"api_key\": \"a b\", \"id\": 3}",
		  "{\"api_key\": \"[redacted]\", \"id\": 3}" },
		{ "{\\\"token\\\":\\\"abc\\\",\\\"id\\\":3}",
		  "{\\\"token\\\":[redacted],\\\"id\\\":3}" },
		{ "PGPASSWORD=abc psql", "PGPASSWORD=[redacted]" },
		{ "UPSHIFT_VAR_dbpw=abc", "UPSHIFT_VAR_dbpw=[redacted]" },
		{ "run tool --password abc --host h",
		  "run tool --password [redacted] --host h" },
		{ "run tool --db-pass=abc", "run tool --db-pass=[redacted]" },
		{ "Authorization: Basic dTpw", "Authorization: [redacted]" },
		{ "sent Bearer abcdef0123456789 to it",
		  "sent Bearer [redacted] to it" },
		/* no secrets, though they look like it */
		{ "secret = true;", "secret = true;" },
		{ "env: { PGPASSWORD = \"${dbpw}\"; }",
		  "env: { PGPASSWORD = \"${dbpw}\"; }" },
		{ "password authentication failed for acme",
		  "password authentication failed for acme" },
		{ "the author = A. Body", "the author = A. Body" },
		{ "compass = north", "compass = north" },
		{ "pass 1 of 3", "pass 1 of 3" },
		{ "password =", "password =" },
		{ "token", "token" },
		{ "PWD=/srv/acme", "PWD=/srv/acme" },
		{ "a=b c:d e", "a=b c:d e" },
	};
	_cleanup_redact_ struct redact r = REDACT_INIT;

	(void)state;
	redact_add_name(&r, "dbpw");
	lines_are(&r, lines, ARRAY_SIZE(lines));
	assert_int_equal(r.counts[REDACT_NAME], 11);
}

static void test_looks(void **state)
{
	static const struct pair lines[] = {
		{ "postgres://acme:p@ss@db:5432/x",
		  "postgres://[redacted]@db:5432/x" },
		{ "https://tok@host/path", "https://[redacted]@host/path" },
		{ "https://host/path@v2", "https://host/path@v2" },
		{ "https://host:80/path", "https://host:80/path" },
		{ "key ghp_0123456789abcdefABCD.", "key [redacted]" },
		{ "skip-this-long-word-of-all", "skip-this-long-word-of-all" },
		{ "a -----BEGIN RSA PRIVATE KEY-----", "a [redacted]" },
		{ "MIIEow", "" },
		{ "-----END RSA PRIVATE KEY----- b", " b" },
		{ "x-----BEGIN K-----\\nMII\\n-----END K-----\\ny",
		  "x[redacted]\\ny" },
		{ "", "" },
	};
	_cleanup_redact_ struct redact r = REDACT_INIT;

	(void)state;
	lines_are(&r, lines, ARRAY_SIZE(lines));
	assert_int_equal(r.counts[REDACT_URL], 2);
	assert_int_equal(r.counts[REDACT_PEM], 2);
	assert_int_equal(r.counts[REDACT_TOKEN], 1);
}

static void test_text(void **state)
{
	static const char in[] = "a\n-----BEGIN K-----\nMII\nno end";
	_cleanup_redact_ struct redact r = REDACT_INIT;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	(void)state;
	redact_text(&r, in, strlen(in), &out);
	assert_string_equal(out.buf, "a\n[redacted]\n\n");
	assert_false(r.pem);
}

static void test_aliases(void **state)
{
	static const struct pair lines[] = {
		{ "alice@ledger.example from 10.0.0.7:22",
		  "user-1@host-1 from ip-1:22" },
		{ "on ledger, not ledgers; 10.0.0.7.", "on host-2, not ledgers; "
		  "ip-1." },
		{ "at 12:04:08 version 4.2.7, v1.2.3.4",
		  "at 12:04:08 version 4.2.7, v1.2.3.4" },
		{ "fe80::1 and ::1 and 127.0.0.1",
		  "ip-2 and ::1 and 127.0.0.1" },
		{ "/home/alice/x /home/alice2 /srv/home/alice",
		  "~/x /home/alice2 /srv/home/user-1" },
		{ "HOME=/home/alice", "HOME=~" },
		{ "malice alice-b", "malice alice-b" },
	};
	_cleanup_redact_ struct redact r = REDACT_INIT, later = REDACT_INIT;
	_cleanup_strbuf_ struct strbuf map = STRBUF_INIT;

	(void)state;
	r.aliases = true;
	r.home = strdup("/home/alice");
	assert_string_equal(redact_alias(&r, "host", "ledger.example"),
			    "host-1");
	assert_string_equal(redact_alias(&r, "host", "ledger"), "host-2");
	assert_string_equal(redact_alias(&r, "user", "alice"), "user-1");
	assert_string_equal(redact_alias(&r, "user", "root"), "root");
	assert_string_equal(redact_alias(&r, "host", "ledger"), "host-2");
	lines_are(&r, lines, ARRAY_SIZE(lines));

	/* the map gives the same names to the same things next time */
	redact_map_print(&r, &map);
	redact_map_parse(&later, map.buf);
	redact_map_parse(&later, "no tab\n\t\nx\n");
	assert_string_equal(redact_alias(&later, "user", "bob"), "user-2");
	assert_string_equal(redact_alias(&later, "host", "ledger"), "host-2");
}

static void test_json(void **state)
{
	static const char in[] = "{\"name\":\"a\",\"password\":\"x y\","
		"\"secret\":true,\"pin\":1234,\"n\":7,"
		"\"tokens\":{\"a\":[\"b\",2]},"
		"\"text\":\"u://a:b@c\",\"pw\":\"${pw}\"}";
	_cleanup_redact_ struct redact r = REDACT_INIT;
	_cleanup_json_ struct json_object *o = NULL, *copy = NULL;
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT, same = STRBUF_INIT;

	(void)state;
	assert_int_equal(json_parse(in, strlen(in), &o, NULL), 0);
	copy = redact_json(&r, o);
	json_print(copy, &out);
	assert_string_equal(out.buf, "{\"name\":\"a\","
		"\"password\":\"[redacted]\",\"secret\":true,"
		"\"pin\":\"[redacted]\",\"n\":7,"
		"\"tokens\":{\"a\":[\"[redacted]\",\"[redacted]\"]},"
		"\"text\":\"u://[redacted]@c\",\"pw\":\"${pw}\"}");
	json_print(o, &same);
	assert_string_equal(same.buf, in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_looks),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_aliases),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
