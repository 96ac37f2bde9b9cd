/* SPDX-License-Identifier: MIT */
#include "plan-internal.h"

#include <ctype.h>
#include <string.h>

#include "base/i18n.h"

#define ID_MAX 63

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
	return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool id_rest(const char *s, bool upper)
{
	for (; *s; s++)
		if (!is_lower(*s) && !(upper && is_letter(*s)) &&
		    !is_digit(*s) && *s != '_' && *s != '-')
			return false;
	return true;
}

/* Names of checkpoints: start, CP1, R1, in small letters too. */
static const char *is_point(const char *id)
{
	if (!strcmp(id, "start"))
		return N_("'start' is the name of a checkpoint");
	if (id[0] == 'c' && id[1] == 'p')
		return N_("names that begin with 'cp' are for checkpoints");
	if (id[0] == 'r' && is_digit(id[1]))
		return N_("names like 'r1' are for checkpoints");
	return NULL;
}

const char *step_id_refused(const char *id)
{
	if (!*id)
		return N_("it is empty");
	if (strlen(id) > ID_MAX)
		return N_("it is longer than 63 characters");
	if (!is_lower(*id) || !id_rest(id, false))
		return N_("use small letters, digits, '_' and '-', and a letter first");
	return is_point(id);
}

const char *check_id_refused(const char *id)
{
	if (!*id)
		return N_("it is empty");
	if (strlen(id) > ID_MAX)
		return N_("it is longer than 63 characters");
	if (!is_letter(*id) || !id_rest(id, true))
		return N_("use letters, digits, '_' and '-', and a letter first");
	return is_point(id);
}

bool env_name_valid(const char *name)
{
	if (!is_letter(*name) && *name != '_')
		return false;
	for (; *name; name++)
		if (!is_letter(*name) && !is_digit(*name) && *name != '_')
			return false;
	return true;
}

const char *var_name_refused(const char *name)
{
	if (strlen(name) > ID_MAX)
		return N_("it is longer than 63 characters");
	/* it is passed to commands as UPSHIFT_VAR_name */
	if (!env_name_valid(name))
		return N_("use letters, digits and '_', and no digit first");
	if (!strcmp(name, "root"))
		return N_("'root' is the root directory");
	return NULL;
}

const char *plan_name_refused(const char *name)
{
	if (!*name)
		return N_("it is empty");
	if (strlen(name) > ID_MAX)
		return N_("it is longer than 63 characters");
	if (!is_letter(*name) && !is_digit(*name))
		return N_("a letter or a digit must be first");
	for (; *name; name++)
		if (!is_letter(*name) && !is_digit(*name) &&
		    !strchr("._-", *name))
			return N_("use letters, digits, '.', '_' and '-'");
	return NULL;
}
