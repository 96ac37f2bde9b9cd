#!/bin/sh
# SPDX-License-Identifier: MIT
# shellcheck disable=SC2119,SC2120
# How long writers were held up is in the report, whenever the engine is killed:
# exactly where they were let go of by who went on, else as long as was seen.
. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/pg.sh"
pg_need
pg_start a
root=$tmp/data
mkdir "$root"

# plan STORE [OF CUTOVER]
plan()
{
	cat >"$tmp/plan" <<TXT
plan = 1; name = "app"; title = "App"; from = "1"; to = "2";
stores: { db = "$1"; };
steps = ( { id = "cut"; kind = "cutover"; store = "db"; fence = ["item"];
	equal = ["db:SELECT count(*) FROM item", "db:SELECT count(*) FROM thing"];
	${2-} } );
TXT
}

views='views = ( { name = "item"; select = "SELECT id, t AS n FROM thing"; } );'

tables='CREATE TABLE item (id int PRIMARY KEY, n int); INSERT INTO item VALUES (1, 1);
CREATE TABLE thing (id int PRIMARY KEY, t int); INSERT INTO thing VALUES (1, 1);'

fresh()
{
	rm -rf "$root/.upshift" "$root/app.db" "$root/app.db-wal" "$root/app.db-shm"
	case $1 in
	pg*) pg_sql a -c 'SET client_min_messages = error; DROP SCHEMA IF
		EXISTS _upshift, upshift_old_cut CASCADE; DROP SCHEMA public CASCADE;
		CREATE SCHEMA public' -c "$tables" ;;
	*) sqlite3 "$root/app.db" "PRAGMA journal_mode = wal; $tables" >/dev/null ;;
	esac
}

up()
{
	"$UPSHIFT" run "$tmp/plan" --root "$root" --batch --yes
}

again()
{
	"$UPSHIFT" resume --root "$root" --batch --yes
}

# as the report has it
told()
{
	"$UPSHIFT" report --root "$root" | sed -n 's/^- cut (.*): writers //p'
}

# --- the fence stands while nobody is there ---
cat >"$tmp/verify" <<TXT
#!/bin/sh
[ -e "$tmp/died" ] || { : >"$tmp/died"; kill -9 \$PPID; }
TXT
chmod 755 "$tmp/verify"
killed()
{
	fresh pg
	rm -f "$tmp/died"
	up >/dev/null 2>&1
	is $? 137 "$1: killed behind the fence"
	is "$(told)" 'were held up when upshift ended' "$1: what is known of it"
	# for so long nobody can write
	sleep 1
}
plan "$(pg_url a)" "verify = [\"$tmp/verify\"];"
killed resumed
run_is 0 'resumed' again
like "$out" 'writers were held up for [1-9][0-9]*[.][0-9]+ s' 'is told at once'
like "$(told | sed -n 1p)" '^were held up for [1-9][0-9]*[.][0-9]+ s$' \
	'that of the dead one, to its end'
like "$(told | sed -n 2p)" '^were held up for 0[.][0-9]+ s$' 'and the other'
is "$(told | wc -l)" 2 'no more'
killed back
run_is 0 'rolled back' "$UPSHIFT" rollback --root "$root" --batch --confirm 'roll back to start'
like "$(told)" '^were held up for [1-9][0-9]*[.][0-9]+ s$' 'a rollback lets go of them, too'
cp "$tmp/plan" "$tmp/good"
plan "$(pg_url a)" 'verify = ["/bin/false"];'
fresh pg
run_is 1 'a verification that fails' up
cp "$tmp/good" "$tmp/plan"
: >"$tmp/died"
like "$(told)" '^were held up for 0[.][0-9]+ s$' 'told'

# --- killed anywhere ---
# sweep NAME: told once to its end, and nobody is said to be fenced off
sweep()
{
	bad=
	n=$3
	seen=
	while :; do
		fresh "$1"
		UPSHIFT_TEST_FAULT=any:$n:kill up >/dev/null 2>&1
		[ $? = 137 ] || break
		again >/dev/null 2>&1
		[ $? != 66 ] || up >/dev/null 2>&1
		case $(told) in
		*'when upshift ended'*|'') bad="$bad $n" ;;
		*'or more'*) seen=$seen. ;;
		esac
		case $("$UPSHIFT" status --root "$root") in
		*'nobody can write'*) bad="$bad $n-fence" ;;
		*'upgraded, verified'*) ;;
		*) bad="$bad $n-open" ;;
		esac
		n=$((n + 2))
	done
	is "$bad" '' "$2: killed anywhere"
	[ -n "$seen" ]
	ok $? "$2: and behind what nobody saw the end of"
}

plan "$(pg_url a)" "writers = \"refuse\"; $views"
sweep pg 'views behind a fence' 1
plan "$(pg_url a)" "$views"
sweep pg 'views in one transaction' 1
if command -v sqlite3 >/dev/null &&
   "$UPSHIFT" --version | grep -qw sqlite; then
	plan sqlite:app.db "$views"
	sweep lite 'in SQLite' 1
fi
done_testing
