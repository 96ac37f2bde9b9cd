#!/bin/sh
# SPDX-License-Identifier: MIT
# Over the network: a server with TLS, whose certificate a CA of our own signed.
. "${top_srcdir:-$(dirname "$0")/../..}/tests/lib/tap.sh"
# shellcheck source=tests/lib/pg.sh
. "$top_srcdir/tests/lib/pg.sh"
pg_need
command -v openssl >/dev/null || skip_all "no openssl"

keys=$pg_base/keys
mkdir "$keys"
# ca NAME; signed CA NAME HOST
ca()
{
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" \
		-keyout "$keys/$1.key" -out "$keys/$1.crt" 2>"$tmp/openssl" ||
		skip_all "openssl makes no certificate"
}
signed()
{
	openssl req -newkey rsa:2048 -nodes -subj "/CN=$3" \
		-keyout "$keys/$2.key" -out "$keys/$2.csr" 2>"$tmp/openssl" &&
		openssl x509 -req -days 2 -in "$keys/$2.csr" -CA "$keys/$1.crt" \
			-CAkey "$keys/$1.key" -CAcreateserial \
			-out "$keys/$2.crt" 2>"$tmp/openssl" ||
		skip_all "openssl signs no certificate"
}
ca ours
ca another
signed ours server localhost
chmod 755 "$keys"
chmod 600 "$keys/server.key"
[ "$(id -u)" != 0 ] || chown nobody "$keys/server.key" "$keys"

# a port where nobody listens
port=$((20000 + $$ % 20000))
while ! "$pg_bin/psql" -X -d "host=127.0.0.1 port=$port" -c '' 2>&1 |
	grep -q refused; do
	port=$((port + 7))
	[ $port -lt 60000 ] || skip_all "no port is free"
done
pg_start tls listen_addresses=127.0.0.1 port=$port ssl=on \
	ssl_cert_file="$keys/server.crt" ssl_key_file="$keys/server.key"

# plan KEYS
plan()
{
	cat >"$tmp/p.plan" <<-END
	plan = 1; name = "p"; to = "2";
	stores: { db: { url = "pg:\${env:TEST_DB}"; $1 }; };
	checks = ( { id = "C01"; kind = "store"; store = "db"; } );
	steps = ( { id = "s"; kind = "mkdir"; paths = ["d"]; } );
	END
}
mkdir "$tmp/root"
net="hostaddr=127.0.0.1 port=$port user=upshift dbname=postgres"

refused()
{
	[ "$status" = 1 ] || [ "$status" = 65 ]
	ok $? "$1"
}

check()
{
	TEST_DB="$net $1" run "$UPSHIFT" check "$tmp/p.plan" --root "$tmp/root"
}

plan ""
check "host=localhost sslmode=verify-full sslrootcert=$keys/ours.crt"
is "$status" 0 "host and CA are right"
[ "$status" = 0 ] || diag "$out $err"
check "host=elsewhere sslmode=verify-full sslrootcert=$keys/ours.crt"
refused "a server by another name is refused"
like "$out$err" 'does not match host name' "which is said"
check "host=localhost sslmode=verify-full sslrootcert=$keys/another.crt"
refused "a server that another CA should have signed is refused"
like "$out$err" 'certificate verify failed' "which is said"
for mode in verify-ca require prefer allow disable; do
	check "host=localhost sslmode=$mode sslrootcert=$keys/ours.crt"
	refused "sslmode=$mode is refused"
	like "$out$err" 'sslmode=verify-full' "which says what it takes"
done
check "host=localhost"
refused "as is none"

plan "allow_plaintext = true;"
check "host=localhost sslmode=disable"
is "$status" 0 "unless the plan allows it"
[ "$status" = 0 ] || diag "$out $err"
check "host=localhost sslmode=require"
is "$status" 0 "whatever there is of it"

done_testing
