/* SPDX-License-Identifier: MIT */
/*
 * The blocks of json-index.h for processors that have AVX2. Nothing in here
 * may be called elsewhere, but for the question.
 */
#include "json-avx2.h"
#include "json-index-internal.h"

#ifdef JSON_X86
bool json_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") &&
		__builtin_cpu_supports("bmi") &&
		__builtin_cpu_supports("popcnt") &&
		__builtin_cpu_supports("pclmul");
}

/* v looked up by its lower four bits; 0 where its highest bit is set */
#define LOOKUP(table, v) _mm256_shuffle_epi8(table, v)
#define TABLE(...) _mm256_setr_epi8(__VA_ARGS__, __VA_ARGS__)

/*
 * A byte is white space if the table has it at its own lower half; one of
 * { } [ ] : , likewise, with [ ] made { } (which takes FF and SUB along).
 */
AVX2_INLINE void find_masks(const struct pair *b, struct json_masks *m)
{
	const __m256i spaces = TABLE(' ', 100, 100, 100, 17, 100, 113, 2, 100,
				     '\t', '\n', 112, 100, '\r', 100, 100);
	const __m256i ops = TABLE(0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
				  ':', '{', ',', '}', 0, 0);
	const __m256i low = _mm256_set1_epi8(0x20);
	const __m256i last = _mm256_set1_epi8(0x1f);

	m->quote = equal(b, '"');
	m->back = equal(b, '\\');
	m->space = mask(_mm256_cmpeq_epi8(b->lo, LOOKUP(spaces, b->lo)),
			_mm256_cmpeq_epi8(b->hi, LOOKUP(spaces, b->hi)));
	m->op = mask(_mm256_cmpeq_epi8(_mm256_or_si256(b->lo, low),
				       LOOKUP(ops, b->lo)),
		     _mm256_cmpeq_epi8(_mm256_or_si256(b->hi, low),
				       LOOKUP(ops, b->hi)));
	m->control = mask(_mm256_cmpeq_epi8(b->lo,
					    _mm256_min_epu8(b->lo, last)),
			  _mm256_cmpeq_epi8(b->hi,
					    _mm256_min_epu8(b->hi, last)));
	m->high = mask(b->lo, b->hi);
}

/* --- UTF-8 --- */

/* what may be wrong with two bytes; the tables have it for the halves of the
   first and the upper half of the second: it is if all three say so */
#define TOO_SHORT (1 << 0)
#define TOO_LONG (1 << 1)
#define OVERLONG_3 (1 << 2)
#define TOO_LARGE (1 << 3)
#define SURROGATE (1 << 4)
#define OVERLONG_2 (1 << 5)
#define TOO_LARGE_1000 (1 << 6)
#define OVERLONG_4 (1 << 6)
#define TWO_CONTS ((char)(1 << 7))
#define CARRY (TOO_SHORT | TOO_LONG | TWO_CONTS)
#define LARGE (CARRY | TOO_LARGE | TOO_LARGE_1000)
#define CONT (TOO_LONG | OVERLONG_2 | TWO_CONTS)

/* v, n bytes later, with the last ones of what is before it */
#define SHIFTED(v, before, n) _mm256_alignr_epi8(v, \
	_mm256_permute2x128_si256(before, v, 0x21), 16 - (n))

AVX2_INLINE __m256i upper(__m256i v)
{
	return _mm256_and_si256(_mm256_srli_epi16(v, 4),
				_mm256_set1_epi8(0x0f));
}

AVX2_INLINE __m256i wrong_pairs(__m256i v, __m256i one)
{
	const __m256i first_upper = TABLE(TOO_LONG, TOO_LONG, TOO_LONG,
		TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG,
		TWO_CONTS, TWO_CONTS, TWO_CONTS, TWO_CONTS,
		TOO_SHORT | OVERLONG_2, TOO_SHORT,
		TOO_SHORT | OVERLONG_3 | SURROGATE,
		TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4);
	const __m256i first_lower = TABLE(
		CARRY | OVERLONG_3 | OVERLONG_2 | OVERLONG_4,
		CARRY | OVERLONG_2, CARRY, CARRY, CARRY | TOO_LARGE,
		LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE, LARGE,
		LARGE | SURROGATE, LARGE, LARGE);
	const __m256i second_upper = TABLE(TOO_SHORT, TOO_SHORT, TOO_SHORT,
		TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
		CONT | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
		CONT | OVERLONG_3 | TOO_LARGE, CONT | SURROGATE | TOO_LARGE,
		CONT | SURROGATE | TOO_LARGE,
		TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);

	return _mm256_and_si256(
		_mm256_and_si256(LOOKUP(first_upper, upper(one)),
			LOOKUP(first_lower, _mm256_and_si256(one,
					_mm256_set1_epi8(0x0f)))),
		LOOKUP(second_upper, upper(v)));
}

/* nonzero where v, behind the bytes of before, is wrong */
AVX2_INLINE __m256i wrong_bytes(__m256i v, __m256i before)
{
	__m256i pairs = wrong_pairs(v, SHIFTED(v, before, 1));
	/* the third and the fourth byte of a character: two continuations in
	   a row are right there and wrong elsewhere */
	__m256i third = _mm256_subs_epu8(SHIFTED(v, before, 2),
					 _mm256_set1_epi8((char)(0xe0 - 0x80)));
	__m256i fourth = _mm256_subs_epu8(SHIFTED(v, before, 3),
					  _mm256_set1_epi8((char)(0xf0 - 0x80)));
	__m256i must = _mm256_and_si256(_mm256_or_si256(third, fourth),
					_mm256_set1_epi8((char)0x80));

	return _mm256_xor_si256(must, pairs);
}

/* nonzero if a character goes on behind v */
AVX2_INLINE __m256i awaited_behind(__m256i v)
{
	const __m256i most = _mm256_setr_epi8(-1, -1, -1, -1, -1, -1, -1, -1,
		-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
		-1, -1, -1, -1, -1, (char)(0xf0 - 1), (char)(0xe0 - 1),
		(char)(0xc0 - 1));

	return _mm256_subs_epu8(v, most);
}

struct utf8 {
	__m256i last, awaited, wrong;
};

AVX2_INLINE void check_utf8(struct utf8 *u, const struct pair *b,
			    uint64_t high)
{
	if (!high) {
		u->wrong = _mm256_or_si256(u->wrong, u->awaited);
		u->awaited = _mm256_setzero_si256();
		u->last = b->hi;
		return;
	}
	u->wrong = _mm256_or_si256(u->wrong, wrong_bytes(b->lo, u->last));
	u->wrong = _mm256_or_si256(u->wrong, wrong_bytes(b->hi, b->lo));
	u->awaited = awaited_behind(b->hi);
	u->last = b->hi;
}

/* --- positions --- */

/* written out, as -O2 does not unroll */
#define PUT(i) do {                                                       \
		v[i] = at + (uint32_t)_tzcnt_u64(bits);                   \
		bits &= bits - 1;                                         \
	} while (0)

/* eight at a time whether they are there or not: cheaper than to ask */
AVX2_INLINE uint32_t *put_positions(uint32_t *v, uint64_t bits, uint32_t at)
{
	uint32_t *end = v + __builtin_popcountll(bits);

	for (; v < end; v += 8) {
		PUT(0);
		PUT(1);
		PUT(2);
		PUT(3);
		PUT(4);
		PUT(5);
		PUT(6);
		PUT(7);
	}
	return end;
}

AVX2 void json_index_avx2(struct json_index *x, const unsigned char *p,
			  size_t blocks)
{
	struct utf8 u = { load(x->last), load(x->awaited), load(x->wrong) };
	uint32_t *v = x->v + x->n;

	for (; blocks; blocks--, p += JSON_BLOCK, x->at += JSON_BLOCK) {
		struct pair b = { load(p), load(p + 32) };
		struct json_masks m;

		find_masks(&b, &m);
		check_utf8(&u, &b, m.high);
		v = put_positions(v, json_block_tokens(x, &m, parity),
				  (uint32_t)x->at);
	}
	x->n = (size_t)(v - x->v);
	/* with blanks behind the end this was seen */
	if (x->at == x->len)
		u.wrong = _mm256_or_si256(u.wrong, u.awaited);
	store(x->last, u.last);
	store(x->awaited, u.awaited);
	store(x->wrong, u.wrong);
	if (!_mm256_testz_si256(u.wrong, u.wrong))
		x->bad = true;
}
#else
/* a file has something in it */
extern int json_index_avx2_is_not_here;
#endif
