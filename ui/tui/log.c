/* SPDX-License-Identifier: MIT */
#include "tui/log.h"

#include "base/clock.h"
#include "base/i18n.h"
#include "base/strbuf.h"
#include "model.h"
#include "text-width.h"
#include "tui/layout-internal.h"

uint64_t log_first(const struct model *m)
{
	return m->line_total - m->line_n;
}

uint64_t log_end(const struct model *m)
{
	return m->line_total;
}

static const struct model_line *get(const struct model *m, uint64_t ordinal)
{
	if (ordinal < log_first(m) || ordinal >= log_end(m))
		return NULL;
	return model_line(m, (size_t)(ordinal - log_first(m)));
}

bool log_is_step_line(const struct model *m, uint64_t ordinal)
{
	const struct model_line *line = get(m, ordinal);

	return line && (line->stream == 's' || line->stream == 'n');
}

/* time of day here, of a full time; anything else as it is */
static void add_time(const char *time, unsigned int safe, struct strbuf *out)
{
	struct timespec ts;
	struct tm tm;

	if (!time || !*time)
		return;
	if (clock_parse(time, &ts) == 0 && localtime_r(&ts.tv_sec, &tm))
		strbuf_addf(out, "%02d:%02d:%02d ", tm.tm_hour, tm.tm_min,
			    tm.tm_sec);
	else {
		width_safe(out, time, safe);
		strbuf_addch(out, ' ');
	}
}

enum sheet_role log_line(const struct model *m, uint64_t ordinal,
			 unsigned int safe, struct strbuf *out)
{
	const struct model_line *line = get(m, ordinal);
	struct strbuf text = STRBUF_INIT;

	if (!line)
		return ROLE_NORMAL;
	add_time(line->time, safe, out);
	width_safe(&text, line->text, safe | WIDTH_TABS);
	width_untab(out, text.buf);
	strbuf_release(&text);
	switch (line->stream) {
	case 'e':
		return ROLE_CAUTION;
	case 's':
		return ROLE_STRONG;
	default:
		return ROLE_NORMAL;
	}
}

void log_move(struct log_place *at, const struct model *m, int lines, int h)
{
	uint64_t end = log_end(m), low = log_first(m) + (uint64_t)MAX(h, 1);
	uint64_t last = at->follow ? end : at->last;

	low = MIN(low, end);
	if (lines < 0)
		last = last < low + (uint64_t)-lines ? low :
			last - (uint64_t)-lines;
	else
		last = MIN(last + (uint64_t)lines, end);
	at->last = last;
	/* at the end, or with all in sight, what comes next is wanted too */
	at->follow = last >= end && (lines >= 0 || low >= end);
}

static const char *title(const struct build *b, bool follow)
{
	if (follow && b->width >= 70)
		return _("Log (following; Up stops following, f follows again, "
			 "l full screen)");
	if (follow)
		return _("Log (following; l full screen)");
	if (b->width >= 70)
		return _("Log (NOT following: newer lines are below; f follows "
			 "again, l full screen)");
	return _("Log (NOT following; f follows)");
}

void build_log(struct build *b, int h)
{
	const struct model *m = b->in->model;
	const struct log_place *at = b->in->log;
	uint64_t end = log_end(m), last, first;

	(void)build_span(b, build_line(b, LINE_LOG), 0, title(b, at->follow),
			 at->follow ? ROLE_NORMAL : ROLE_CAUTION, 0, -1);
	b->out->log_y = (int)b->out->n;
	b->out->log_n = MAX(h - 1, 0);
	last = at->follow ? end : MIN(at->last, end);
	first = last > (uint64_t)MAX(h - 1, 0) ? last - (uint64_t)(h - 1) : 0;
	first = MAX(first, log_first(m));
	for (uint64_t i = first; (int)(i - first) < h - 1; i++) {
		struct line *line = build_line(b, LINE_LOG);
		struct strbuf sb = STRBUF_INIT;
		enum sheet_role role;

		if (i < end) {
			role = log_line(m, i, b->in->safe, &sb);
			(void)build_span(b, line, INDENT, sb.buf, role, 0, -1);
		}
		strbuf_release(&sb);
	}
}
