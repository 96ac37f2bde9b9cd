/* SPDX-License-Identifier: MIT */
/* The stores of a plan, what steps say of them, and who sees passwords. */
#include "plan-fake.h"

#define STORES \
	"plan = 1; name = \"x\"; to = \"2\"; root = \"/var/lib/x\"; stores: { " \
	"old = \"pg:${env:TEST_DB_URL}\"; new = \"sqlite:/var/lib/x//a.db\"; " \
	"items = \"json:d/i.json#a.b\"; log = \"jsonl:d/l.jsonl\"; " \
	"far = { url = \"pg:host=h\"; allow_plaintext = true; }; };\n"
#define WITH(keys) \
	STORES "steps = ({ id = \"a\"; kind = \"write\"; " keys " });\n"
#define ONE "steps = ({ id = \"a\"; kind = \"write\"; });\n"
#define ALONE(stores) \
	"plan = 1; name = \"x\"; to = \"2\";\nstores: { " stores " };\n" ONE

static const char secret_url[] = "postgresql://me:s%40cret@db.example/app";

static void stores(_unused_ void **state)
{
	const struct plan_store *s;
	struct loaded l;

	setenv("TEST_DB_URL", secret_url, 1);
	load(&l, WITH(""));
	assert_loads(&l);
	assert_int_equal(l.plan->store_n, 5);
	s = plan_find_store(l.plan, "old");
	assert_int_equal(s->kind, PLAN_STORE_PG);
	assert_string_equal(s->url, "pg:postgresql://me:s%40cret@db.example/app");
	assert_null(s->path);
	assert_false(s->allow_plaintext);
	s = plan_find_store(l.plan, "new");
	assert_string_equal(s->url, "sqlite:a.db");
	assert_string_equal(s->path, "a.db");
	s = plan_find_store(l.plan, "items");
	assert_string_equal(s->url, "json:d/i.json#a.b");
	assert_string_equal(s->path, "d/i.json");
	assert_int_equal(plan_find_store(l.plan, "log")->kind,
			 PLAN_STORE_JSONL);
	assert_true(plan_find_store(l.plan, "far")->allow_plaintext);
	assert_null(plan_find_store(l.plan, "older"));
	load_end(&l);
}

static void assert_alone(const char *text, int line, const char *part)
{
	struct loaded l;

	load(&l, text);
	assert_problem(&l, line, part);
	/* never what may be one */
	assert_null(strstr(l.problems.v[0].message, "s%40cret"));
	assert_null(strstr(l.problems.v[0].message, "hush"));
	load_end(&l);
}

static void refused(_unused_ void **state)
{
	static const char *const passwords[] = {
		"pg:postgresql://me:hush@h/db", "pg://me:hush@h/db",
		"pg:host=h password=hush", "pg:host=h password = 'hu sh'",
		"pg:postgresql://h/db?password=hush",
		"pg:postgresql://me:hush${env:TEST_DB_URL}@h/db",
		"pg:host=h sslpassword=hush",
	};

	setenv("TEST_DB_URL", secret_url, 1);
	assert_alone(ALONE("a = \"mysql://me:hush@h/x\";"), 2,
		     "a store begins with");
	assert_alone(ALONE("a = \"${env:TEST_DB_URL}\";"), 2,
		     "a store begins with");
	assert_alone(ALONE("a = \"sqlite:../x.db\";"), 2, "'a': '../x.db'");
	assert_alone(ALONE("a = \"json:/etc/x#a\";"), 2, "outside the root");
	assert_alone(ALONE("a = \"sqlite:.upshift/x\";"), 2, "belongs to");
	assert_alone(ALONE("a = \"sqlite:\";"), 2, "it is empty");
	assert_alone(ALONE("a = { };"), 2, "'url' is missing");
	assert_alone(ALONE("a = \"pg:${env:TEST_DB_NONE}\";"), 2,
		     "'TEST_DB_NONE' is not set");
	for (size_t i = 0; i < ARRAY_SIZE(passwords); i++) {
		_cleanup_free_ char *text = xasprintf("plan = 1; name = \"x\"; "
			"to = \"2\";\nstores: { a = \"%s\"; };\n" ONE,
			passwords[i]);

		assert_alone(text, 2, "a password cannot stand in a plan");
	}
	assert_alone("plan = 1; name = \"x\"; to = \"2\";\nstores = \"x\";\n" ONE, 2, "must be a group");
}

/* the value is nowhere that is written or seen */
static void secret(_unused_ void **state)
{
	_cleanup_strvec_ struct strvec words = STRVEC_INIT;
	struct loaded l;

	setenv("TEST_DB_URL", secret_url, 1);
	setenv("TEST_DB_PW", "hush", 1);
	load(&l, WITH("string = \"${env:TEST_DB_URL}\"; env = { A = "
		      "\"${env:HOME}\"; };"));
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->string, secret_url);
	assert_null(json_get(l.scope.env_used, "TEST_DB_URL"));
	assert_non_null(json_get(l.scope.env_used, "HOME"));
	plan_store_secrets(l.plan, &words);
	assert_true(strvec_has(&words, "s%40cret"));
	assert_true(strvec_has(&words, "s@cret"));
	load_again(&l, WITH("run = [\"/bin/x\", \"${env:TEST_DB_URL}\"];"));
	assert_problem(&l, 2, "may hold a password");
	load_again(&l, "plan = 1; name = \"x\"; to = \"2\";\n"
		   "vars = { u = \"${env:TEST_DB_URL}\"; };\n"
		   "stores: { a = \"pg:${env:TEST_DB_URL}\"; };\n" ONE);
	assert_problem(&l, 2, "may hold a password");
	load_again(&l, ALONE("a = \"pg:host=h password=${env:TEST_DB_PW}\";"));
	assert_loads(&l);
	/* on resume from the environment again, as it was not written down */
	l.scope.env = json_object_new_object();
	load_again(&l, WITH(""));
	assert_loads(&l);
	unsetenv("TEST_DB_URL");
	load_again(&l, WITH(""));
	assert_problem(&l, 1, "'TEST_DB_URL' is not set");
	l.scope.lint = true;
	load_again(&l, WITH("to = \"old:t\";"));
	assert_loads(&l);
	load_end(&l);
	setenv("TEST_DB_URL", secret_url, 1);
}

static void assert_set(const char *text, const char *store, const char *set,
		       bool query)
{
	_cleanup_free_ char *plan = xasprintf(STORES "steps = ({ id = \"a\"; "
		"kind = \"write\"; %s = \"%s\"; });\n", query ? "query" : "to",
		text);
	struct loaded l;

	load(&l, plan);
	assert_loads(&l);
	assert_string_equal(fake_of(&l, 0)->set.store->name, store);
	assert_string_equal(fake_of(&l, 0)->set.set, set);
	assert_int_equal(fake_of(&l, 0)->set.query, query);
	load_end(&l);
}

static void sets(_unused_ void **state)
{
	struct loaded l;

	assert_set("old:public.t", "old", "public.t", false);
	assert_set("new:selections", "new", "selections", false);
	assert_set("new: t", "new", "t", false);
	assert_set("items", "items", "", false);
	assert_set("items:c", "items", "c", false);
	assert_set("log", "log", "", false);
	assert_set("old:select a::text from t", "old", "select a::text from t",
		   true);
	assert_set("old:WITH x AS (SELECT 1) TABLE x", "old",
		   "WITH x AS (SELECT 1) TABLE x", true);
	load(&l, WITH("to = \"odl:t\";"));
	assert_problem(&l, 2, "unknown store 'odl' (did you mean 'old'?)");
	load_again(&l, WITH("to = \"new\";"));
	assert_problem(&l, 2, "name the table too");
	load_again(&l, WITH("to = \"new:SELECT 1\";"));
	assert_problem(&l, 2, "not a query");
	load_again(&l, WITH("query = \"items:SELECT 1\";"));
	assert_problem(&l, 2, "takes no queries");
	load_again(&l, WITH("to = \"log:x\";"));
	assert_problem(&l, 2, "one set by itself");
	load_again(&l, WITH("store = \"nwe\";"));
	assert_problem(&l, 2, "unknown store 'nwe' (did you mean 'new'?)");
	/* a store that was refused is no second problem */
	load_again(&l, "plan = 1; name = \"x\"; to = \"2\";\n"
		   "stores: { a = \"x:y\"; };\n"
		   "steps = ({ id = \"a\"; kind = \"write\"; to = \"a:t\"; });");
	assert_problem(&l, 2, "a store begins with");
	load_end(&l);
}

/* files of stores are effects like others, and steps share them */
static void file_effects(_unused_ void **state)
{
	_cleanup_effects_ struct effects e = EFFECTS_INIT, back = EFFECTS_INIT;
	struct json_object *o;
	struct loaded l;

	load(&l, STORES "steps = ({ id = \"a\"; kind = \"write\"; to = "
	     "\"new:t\"; store = \"new\"; }, { id = \"b\"; kind = \"write\"; "
	     "to = \"new:t\"; }, { id = \"c\"; kind = \"write\"; to = "
	     "\"items\"; }, { id = \"d\"; kind = \"write\"; to = \"old:t\"; }"
	     ");\n");
	assert_loads(&l);
	assert_int_equal(step_effects(l.plan->steps[0], l.plan, NULL, &e,
				      NULL), 0);
	assert_true(effects_cover(&e, "a.db"));
	assert_true(effects_cover(&e, "a.db-wal"));
	assert_true(effects_cover(&e, "a.db-shm"));
	assert_true(effects_cover(&e, "a.db-journal"));
	assert_int_equal(e.set_n, 2);
	o = effects_to_json(&e);
	assert_int_equal(effects_from_json(o, &back), 0);
	json_object_put(o);
	assert_int_equal(back.set_n, 2);
	assert_string_equal(back.sets[0].store, "new");
	assert_string_equal(back.sets[0].set, "t");
	assert_int_equal(back.sets[0].type, EFFECT_CHANGE);
	assert_int_equal(back.sets[1].type, EFFECT_READ);
	assert_int_equal(back.n, e.n);
	effects_release(&e);
	assert_int_equal(step_effects(l.plan->steps[2], l.plan, NULL, &e,
				      NULL), 0);
	assert_true(effects_cover(&e, "d/i.json"));
	assert_true(effects_cover(&e, "d/i.json.upshift"));
	effects_release(&e);
	/* a server has no file, and is not what nobody can bring back */
	assert_int_equal(step_effects(l.plan->steps[3], l.plan, NULL, &e,
				      NULL), 0);
	assert_int_equal(e.n, 0);
	assert_int_equal(e.set_n, 1);
	assert_false(e.outside);
	/* but a step that writes the file itself has to say when */
	load_again(&l, STORES "steps = ({ id = \"a\"; kind = \"write\"; to = "
		   "\"new:t\"; }, { id = \"b\"; kind = \"write\"; path = "
		   "\"a.db\"; });\n");
	assert_problem(&l, 2, "both write 'a.db'");
	load_end(&l);
}

static void defaults(_unused_ void **state)
{
	struct loaded l;

	load(&l, STEP("workers = 3;") "defaults: { batch = 1000; workers = "
	     "\"auto\"; retries = 3; timeout = \"30s\"; level = \"rigorous\"; "
	     "};\n");
	assert_loads(&l);
	assert_int_equal(fake_of(&l, 0)->workers, 3);
	assert_int_equal(l.plan->defaults.batch, 1000);
	assert_int_equal(l.plan->defaults.workers, PLAN_WORKERS_AUTO);
	assert_int_equal(l.plan->defaults.retries, 3);
	assert_true(l.plan->defaults.timeout_s == 30);
	assert_int_equal(l.plan->defaults.level, PLAN_RIGOROUS);
	load_again(&l, STEP(""));
	assert_loads(&l);
	assert_int_equal(l.plan->defaults.retries, -1);
	assert_int_equal(l.plan->defaults.level, PLAN_LEVEL_NONE);
	load_again(&l, STEP("") "defaults: { workers = \"many\"; };\n");
	assert_problem(&l, 3, "'many'");
	load_again(&l, STEP("") "defaults: { batch = 0; };\n");
	assert_problem(&l, 3, "'batch'");
	load_again(&l, STEP("") "defaults: { levels = \"basic\"; };\n");
	assert_problem(&l, 3, "'levels'");
	load_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores),
		cmocka_unit_test(refused),
		cmocka_unit_test(secret),
		cmocka_unit_test(sets),
		cmocka_unit_test(file_effects),
		cmocka_unit_test(defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
