# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# Clients of table "item" on server "a" that go on writing by prepared statements
# and try nothing again, while the table is swapped under their hands; source it
# behind tap.sh and pg.sh.
#
#   writers_start           four of them; returns when each is at work
#   writers_end WHAT        lets them write some more, and end: none failed,
#                           and some of it was behind the swap; sets $written,
#                           the number of their transactions: each adds a row
#                           and 1 to the n of one of the rows 1 to 4
#
# A test removes "$tmp"/go.* before it starts them again.

writers=

# one of them, as what psql reads
writer()
{
	echo 'PREPARE ins(int) AS INSERT INTO item (who, n) VALUES ($1, 1) RETURNING id;'
	echo 'PREPARE upd(int) AS UPDATE item SET n = n + 1 WHERE id = $1;'
	echo 'PREPARE sel(int) AS SELECT count(*) >= 4 FROM item WHERE id <= $1;'
	left=100
	n=0
	while [ $left -gt 0 ] && [ $n -lt 20000 ]; do
		n=$((n + 1))
		echo "BEGIN; EXECUTE sel(4); EXECUTE ins($1); EXECUTE upd($1); COMMIT;"
		[ ! -e "$tmp/go.done" ] || left=$((left - 1))
	done
}

writers_start()
{
	for i in 1 2 3 4; do
		writer $i | "$pg_bin/psql" -X -A -t -q -d "$(pg_conn a)" \
			>"$tmp/go.$i" 2>&1 &
		writers="$writers $!"
	done
	until [ "$(cat "$tmp"/go.[1-4] 2>/dev/null | wc -l)" -gt 40 ]; do :; done
}

writers_end()
{
	: >"$tmp/go.done"
	for pid in $writers; do
		wait "$pid"
	done
	writers=
	is "$(cat "$tmp"/go.[1-4] | grep -c 'ERROR\|FATAL\|rror:')" 0 \
		"$1: no transaction failed" ||
		grep -h ERROR "$tmp"/go.[1-4] | sort | uniq -c | head
	written=$(cat "$tmp"/go.[1-4] | grep -c '^t$')
	[ "$written" -ge 440 ]
	ok $? "$1: there were some, also behind it ($written)"
}
