/* SPDX-License-Identifier: MIT */
#ifndef STORE_PG_LIB_H
#define STORE_PG_LIB_H
/*
 * store-pg-lib - libpq, loaded when a server is first called (lib-load.h)
 */
#include <libpq-fe.h>
#include "base/lib-load.h"

#define PG_FUNCTIONS(X) \
	X(PQbackendPID) \
	X(PQclear) \
	X(PQcmdStatus) \
	X(PQcmdTuples) \
	X(PQconnectPoll) \
	X(PQconnectStartParams) \
	X(PQconninfo) \
	X(PQconninfoFree) \
	X(PQconninfoParse) \
	X(PQconsumeInput) \
	X(PQdb) \
	X(PQerrorMessage) \
	X(PQfinish) \
	X(PQflush) \
	X(PQfmod) \
	X(PQfreemem) \
	X(PQftype) \
	X(PQgetCopyData) \
	X(PQgetResult) \
	X(PQgetisnull) \
	X(PQgetlength) \
	X(PQgetvalue) \
	X(PQhost) \
	X(PQisBusy) \
	X(PQnfields) \
	X(PQpass) \
	X(PQparameterStatus) \
	X(PQputCopyData) \
	X(PQputCopyEnd) \
	X(PQresultErrorField) \
	X(PQresultErrorMessage) \
	X(PQresultStatus) \
	X(PQsendQueryParams) \
	X(PQsetNoticeProcessor) \
	X(PQsetSingleRowMode) \
	X(PQsetnonblocking) \
	X(PQsocket) \
	X(PQstatus) \
	X(PQtransactionStatus)

LIB_TABLE(pg, PG_FUNCTIONS)

#ifndef LIB_NO_NAMES
#define PQbackendPID pg_lib.PQbackendPID
#define PQclear pg_lib.PQclear
#define PQcmdStatus pg_lib.PQcmdStatus
#define PQcmdTuples pg_lib.PQcmdTuples
#define PQconnectPoll pg_lib.PQconnectPoll
#define PQconnectStartParams pg_lib.PQconnectStartParams
#define PQconninfo pg_lib.PQconninfo
#define PQconninfoFree pg_lib.PQconninfoFree
#define PQconninfoParse pg_lib.PQconninfoParse
#define PQconsumeInput pg_lib.PQconsumeInput
#define PQdb pg_lib.PQdb
#define PQerrorMessage pg_lib.PQerrorMessage
#define PQfinish pg_lib.PQfinish
#define PQflush pg_lib.PQflush
#define PQfmod pg_lib.PQfmod
#define PQfreemem pg_lib.PQfreemem
#define PQftype pg_lib.PQftype
#define PQgetCopyData pg_lib.PQgetCopyData
#define PQgetResult pg_lib.PQgetResult
#define PQgetisnull pg_lib.PQgetisnull
#define PQgetlength pg_lib.PQgetlength
#define PQgetvalue pg_lib.PQgetvalue
#define PQhost pg_lib.PQhost
#define PQisBusy pg_lib.PQisBusy
#define PQnfields pg_lib.PQnfields
#define PQpass pg_lib.PQpass
#define PQparameterStatus pg_lib.PQparameterStatus
#define PQputCopyData pg_lib.PQputCopyData
#define PQputCopyEnd pg_lib.PQputCopyEnd
#define PQresultErrorField pg_lib.PQresultErrorField
#define PQresultErrorMessage pg_lib.PQresultErrorMessage
#define PQresultStatus pg_lib.PQresultStatus
#define PQsendQueryParams pg_lib.PQsendQueryParams
#define PQsetNoticeProcessor pg_lib.PQsetNoticeProcessor
#define PQsetSingleRowMode pg_lib.PQsetSingleRowMode
#define PQsetnonblocking pg_lib.PQsetnonblocking
#define PQsocket pg_lib.PQsocket
#define PQstatus pg_lib.PQstatus
#define PQtransactionStatus pg_lib.PQtransactionStatus
#endif

#endif
