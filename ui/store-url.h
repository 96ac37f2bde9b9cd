/* SPDX-License-Identifier: MIT */
#ifndef STORE_URL_H
#define STORE_URL_H
/*
 * store-url - a store that is named on the command line
 *
 * As in a plan, with ${env:NAME} filled in. A password in it is refused
 * (ERR_SECRET_ARGUMENT): others see arguments. A file is opened for reading.
 */
struct error;
struct store;

int store_url_open(const char *raw, struct store **ret, struct error *err);

#endif
