# SPDX-License-Identifier: MIT
# copy-to-insert.awk -v table=NAME: COPY text as INSERT statements, for SQLite.
function unescaped(s,    out, c, i) {
	if (index(s, "\\") == 0)
		return s
	out = ""
	for (i = 1; i <= length(s); i++) {
		c = substr(s, i, 1)
		if (c == "\\") {
			c = substr(s, ++i, 1)
			c = c == "t" ? "\t" : c == "n" ? "\n" : c
		}
		out = out c
	}
	return out
}
function literal(s) {
	if (s == "\\N")
		return "NULL"
	s = unescaped(s)
	gsub(/'/, "''", s)
	return "'" s "'"
}
BEGIN {
	FS = "\t"
}
{
	printf "INSERT INTO %s VALUES (%s", table, literal($1)
	for (i = 2; i <= NF; i++)
		printf ",%s", literal($i)
	print ");"
}
