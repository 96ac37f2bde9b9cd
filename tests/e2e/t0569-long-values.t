#!/bin/sh
# SPDX-License-Identifier: MIT
# Values longer than what goes to a server in one piece, between short ones.
# shellcheck source=tests/lib/tap.sh
. "$(dirname "$0")/../lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$(dirname "$0")/../lib/pg.sh"
pg_need
root=$tmp/data
plan=$tmp/a.plan
mkdir "$root"
pg_start db
PG=$(pg_conn db)
export PG
pg_sql db <<-EOF
	CREATE TABLE src (id bigint PRIMARY KEY, v text, b bytea);
	CREATE TABLE dst (id bigint PRIMARY KEY, v text, b bytea);
	INSERT INTO src SELECT i, repeat('ab' || i, n), decode(repeat('0' || i % 10, n), 'hex')
		FROM (SELECT i, (ARRAY[0, 1, 9000, 65500, 65536, 2000000])[i % 6 + 1] n
			FROM generate_series(1, 30) i) t;
	INSERT INTO src VALUES (31, repeat('z', 65518), ''), (32, NULL, NULL);
EOF
cat >"$plan" <<-TXT
	plan = 1; name = "a"; from = "1"; to = "2"; stores = { pg = "pg:\${env:PG}"; };
	steps = ( { id = "copy"; kind = "copy-records"; from = "pg:src"; to = "pg:dst"; key = "id"; } );
TXT
run_is 0 'long values' "$UPSHIFT" run "$plan" --root "$root" --batch --yes
is "$(pg_sql db -c 'SELECT count(*) FROM src JOIN dst USING (id) WHERE
	src.v IS NOT DISTINCT FROM dst.v AND src.b IS NOT DISTINCT FROM dst.b')" 32 \
	'each is as it was'
done_testing
