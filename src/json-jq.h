/* SPDX-License-Identifier: MIT */
#ifndef JSON_JQ_H
#define JSON_JQ_H
/*
 * json-jq - values changed by a program of jq (libjq, a configure option)
 *
 * The program gets one value and must give one. What it leaves as it was keeps
 * its bytes: only what differs is edited. A value that jq itself would change
 * (a number that no double holds, a name twice in an object, half a surrogate
 * pair) is refused. Messages of jq quote values, which may be secret, so they
 * are not passed on; only those about the program itself are.
 *
 * A struct json_jq may be used by several threads: each takes a machine of its
 * own, and machines are used again.
 */
#include <stdbool.h>
#include <stdint.h>

struct error;
struct json_jq;
struct json_tree;

/* false: built without libjq; then json_jq_new() fails */
bool json_jq_available(void);
/* -EINVAL with err filled (ERR_PLAN_VALUE): the program cannot be used */
int json_jq_new(const char *program, struct json_jq **ret, struct error *err);
void json_jq_free(struct json_jq *q);
/* edits node i; -EINVAL with err filled (ERR_STEP) */
int json_jq_apply(struct json_jq *q, struct json_tree *t, uint32_t i,
		  bool *changed, struct error *err);

#endif
