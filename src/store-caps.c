/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "store-internal.h"

static const char *const names[STORE_CAP_COUNT] = {
	"sql", "copy", "tx-ddl", "temp-table", "trigger", "instead-of",
	"digest", "serializable", "binary",
};

const char *store_cap_name(enum store_cap cap)
{
	for (size_t i = 0; i < STORE_CAP_COUNT; i++)
		if (cap == 1u << i)
			return names[i];
	return "";
}

unsigned int store_caps_taken(void)
{
	const char *s = getenv("UPSHIFT_TEST_STORE_CAPS");
	unsigned int taken = 0;

	while (s && *s) {
		size_t n = strcspn(s, ",");

		for (size_t i = 0; *s == '-' && i < STORE_CAP_COUNT; i++)
			if (strlen(names[i]) == n - 1 &&
			    !memcmp(s + 1, names[i], n - 1))
				taken |= 1u << i;
		s += n;
		s += *s == ',';
	}
	return taken;
}

bool store_can(struct store *s, enum store_cap cap)
{
	char state[sizeof(s->sqlstate)];

	if (s->taken & cap)
		return false;
	if (s->ops->caps & cap)
		return true;
	if (!(s->tried & cap)) {
		if (!s->ops->probe || s->in_tx)
			return false;
		memcpy(state, s->sqlstate, sizeof(state));
		if (s->ops->probe(s, cap))
			s->caps |= cap;
		s->tried |= cap;
		memcpy(s->sqlstate, state, sizeof(state));
	}
	return s->caps & cap;
}
