# SPDX-License-Identifier: MIT
# make-rows.awk: the rows of one table, as COPY text.
# -v table=NAME -v n=CHUNKS -v seed=S -v orphans=N -v duplicates=N
#
# The same variables give the same rows with any awk: the random numbers are
# our own, and a row depends on its number alone, so the tables fit together
# though each is made by a process of its own.

# a number below `below`, from the row, a salt, and the seed (MINSTD, stirred)
function random(i, salt, below,    x) {
	x = (i * 7919 + salt * 104729 + seed * 15485863 + 1) % 2147483647
	x = (x * 16807) % 2147483647
	x = (x * 16807) % 2147483647
	return x % below
}
# 0 <= i < 2^40 as a UUID; kind keeps those of two tables apart
function uuid(kind, i) {
	return sprintf("%08x-%04x-4%03x-8%03x-%04x%08x", \
		random(i, kind, 2147483647), kind, random(i, kind + 1, 4096), \
		random(i, kind + 2, 4096), int(i / 4294967296) + kind * 256, \
		i % 4294967296)
}
function stamp(i) {
	return sprintf("2025-%02d-%02d %02d:%02d:%02d.%06d+00", \
		random(i, 31, 12) + 1, random(i, 32, 28) + 1, \
		random(i, 33, 24), random(i, 34, 60), random(i, 35, 60), \
		random(i, 36, 1000000))
}
function content(i,    k) {
	k = random(i, 41, 23)
	if (k == 0)
		return "Zw\303\266lf Boxk\303\244mpfer " i
	if (k == 1)
		return "\346\227\245\346\234\254\350\252\236 " i " \360\237\246\212\342\200\215\360\237\224\245"
	if (k == 2)
		return "e\314\201 decomposed, \303\251 composed " i
	if (k == 3)
		return "tab\\there, line\\nthere, back\\\\slash, 'quotes' \"both\" " i
	if (k == 4)
		return ""
	if (k == 5)
		return "\342\200\256right to left\342\200\254 " i
	if (k == 6)
		return "  blanks around  "
	if (k == 7)
		return "template {{slot_" random(i, 42, 9) "}} of " i
	return "Chunk number " i " of the text, with some words to fill a line, as people write them."
}
function metadata(i,    k) {
	k = random(i, 51, 11)
	if (k == 0)
		return "{}"
	if (k == 1)
		return "{\"big\": 9007199254740993, \"small\": 1e-300, \"n\": null}"
	if (k == 2)
		return "{\"tags\": [\"a\", \"b\\\\u00e4\"], \"deep\": {\"er\": [1, [2, [3]]]}}"
	return "{\"source\": \"import\", \"row\": " i "}"
}
function flag(yes) {
	return yes ? "t" : "f"
}
BEGIN {
	OFS = "\t"
	texts = int(n / 50) + 1
	tags = int(n / 500) + 5
	if (table == "texts")
		for (i = 0; i < texts; i++)
			print uuid(1, i), "Text " i, stamp(i), \
				random(i, 61, 4) ? stamp(i + 7) : "\\N"
	if (table == "chunks")
		for (i = 0; i < n; i++) {
			# a parent is an earlier chunk
			parent = i > 10 && random(i, 71, 3) == 0 ? \
				uuid(2, random(i, 72, i)) : "\\N"
			slot = random(i, 73, 10) == 0
			print uuid(2, i), \
				random(i, 74, 40) ? uuid(1, int(i / 50)) : "\\N", \
				content(i), flag(random(i, 75, 12) == 0), \
				flag(slot), parent, \
				slot ? "value " i : "\\N", random(i, 76, 5), \
				random(i, 77, 30) ? i % 50 : "\\N", \
				metadata(i), stamp(i), stamp(i + 11)
		}
	if (table == "tags") {
		for (i = 1; i <= tags; i++)
			print i, "tag " i (i % 7 ? "" : " \303\274"), stamp(i)
		# the same name under another number
		for (; i <= tags + duplicates; i++)
			print i, "tag " (i - tags), stamp(i)
	}
	if (table == "chunk_tags")
		for (i = 0; i < n; i++) {
			first = random(i, 81, tags) + 1
			if (random(i, 82, 3))
				print uuid(2, i), first
			if (random(i, 83, 5) == 0)
				print uuid(2, i), first % tags + 1
		}
	if (table == "embeddings") {
		for (i = 0; i < n; i += 4)
			print uuid(2, i), "small-" random(i, 91, 3), \
				"{" random(i, 92, 1000) / 8 "," \
				(-random(i, 93, 1000) / 8) ",0.5}"
		# of chunks that are not there (any more)
		for (i = 0; i < orphans; i++)
			print uuid(3, i), "small-0", "{0,0,0}"
	}
	if (table == "graph_nodes")
		for (i = 0; i < n; i += 5)
			print i / 5 + 1, uuid(2, i), "node " i, \
				random(i, 95, 1000) / 16
}
