# SPDX-License-Identifier: MIT
# make-rows.awk: the rows of one table as COPY text, or the events' log.
# -v table=NAME -v campaigns=N -v events=N -v publishes=N -v feedbacks=N
# -v seed=S -v today=DAYS (since 1970)
#
# The same variables give the same rows with any awk. Half of the events of
# the log are in the campaigns' telemetry too, under the same id.

# a number below `below`, from the row, a salt, and the seed (MINSTD, stirred)
function random(i, salt, below,    x) {
	x = (i * 7919 + salt * 104729 + seed * 15485863 + 1) % 2147483647
	x = (x * 16807) % 2147483647
	x = (x * 16807) % 2147483647
	return x % below
}
# days since 1970 as a date (Howard Hinnant, chrono-compatible algorithms)
function date(z,    era, doe, yoe, doy, mp, m) {
	z += 719468
	era = int(z / 146097)
	doe = z - era * 146097
	yoe = int((doe - int(doe / 1460) + int(doe / 36524) - int(doe / 146096)) / 365)
	doy = doe - (365 * yoe + int(yoe / 4) - int(yoe / 100))
	mp = int((5 * doy + 2) / 153)
	m = mp < 10 ? mp + 3 : mp - 9
	return sprintf("%04d-%02d-%02d", yoe + era * 400 + (m <= 2), m, \
		doy - int((153 * mp + 2) / 5) + 1)
}
function stamp(i, days, between) {
	return date(today - days) between sprintf("%02d:%02d:%02d.%03d", \
		random(i, 1, 24), random(i, 2, 60), random(i, 3, 60), \
		random(i, 4, 1000))
}
function campaign(i) {
	return sprintf("cmp%05d", i)
}
# of the last 120 days, so that a few are too old for the backfill
function age(i) {
	return 1 + random(i, 11, 120)
}
function done_at(e) {
	return stamp(e, random(e, 21, age(e % campaigns)) + 1, "T") "Z"
}
function agent(e) {
	return agents[random(e, 22, 5) + 1]
}
# an agent's task: e counts all of them
function task(e,    text) {
	text = sprintf("{\"id\": \"task%07d\", \"agentId\": \"%s\", \"success\": %s, \"completedAt\": \"%s\", \"durationMs\": %d, \"tokens\": %d", \
		e, agent(e), random(e, 23, 12) ? "true" : "false", done_at(e), \
		random(e, 24, 90000), random(e, 25, 6000))
	if (e < feedbacks)
		text = text sprintf(", \"feedback\": {\"rating\": %d, \"comment\": \"%s\"}", \
			random(e, 26, 5) + 1, \
			random(e, 27, 3) ? "fine" : "zu l\303\244nglich \342\200\224 bitte k\303\274rzen")
	return text "}"
}
BEGIN {
	OFS = "\t"
	split("writer designer analyst planner reviewer", agents, " ")
	split("web mail social search", platforms, " ")
	inside = int(events * 9 / 10)   # told by the campaigns
	logged = int(events / 5)        # told by the log: half of them are both
	if (table == "Campaign")
		for (i = 0; i < campaigns; i++) {
			meta = "{\"version\": 3, \"agentTasks\": ["
			for (e = i; e < inside; e += campaigns)
				meta = meta (e == i ? "" : ", ") task(e)
			meta = meta "]"
			# a prompt is known of most
			if (random(i, 31, 4))
				meta = meta ", \"prompt\": \"Write about " i " in \342\200\234plain\342\200\235 words\""
			meta = meta ", \"unknown\": 9007199254740993}"
			# COPY has escapes of its own
			gsub(/\\/, "\\\\", meta)
			print campaign(i), random(i, 32, 9) ? "default" : "other", \
				"Campaign " i (random(i, 33, 7) ? "" : " \360\237\232\200"), \
				random(i, 34, 3) ? "published" : "draft", meta, \
				stamp(i, age(i), " "), stamp(i + 5, age(i) - 1, " ")
		}
	if (table == "Asset")
		for (i = 0; i < campaigns * 2; i++)
			print sprintf("ast%06d", i), campaign(i % campaigns), \
				i % 3 ? "image" : "text", \
				stamp(i + 9, age(i % campaigns), " ")
	if (table == "PublishJob")
		for (i = 0; i < publishes; i++) {
			seen = random(i, 41, 20000)
			clicks = int(seen * random(i, 42, 90) / 1000)
			bought = int(clicks * random(i, 43, 200) / 1000)
			done = random(i, 44, 10) > 0
			print sprintf("pub%06d", i), \
				sprintf("ast%06d", random(i, 45, campaigns * 2)), \
				platforms[random(i, 46, 4) + 1], \
				done ? "done" : "failed", done ? seen : 0, \
				done ? clicks : 0, done ? bought : 0, \
				done ? stamp(i + 3, random(i, 47, 100) + 1, " ") : "\\N"
		}
	if (table == "log")
		for (e = inside - logged / 2; e < inside + logged / 2; e++)
			printf "{\"id\": \"task%07d\", \"eventType\": \"AgentTaskCompleted\", \"entityType\": \"agent\", \"entityId\": \"%s\", \"severity\": \"%s\", \"createdAt\": \"%s\", \"payload\": {\"campaignId\": \"%s\", \"tokens\": %d}}\n", \
				e, agent(e), random(e, 23, 12) ? "info" : "high", \
				done_at(e), campaign(e % campaigns), \
				random(e, 25, 6000)
}
