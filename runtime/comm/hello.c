#include "config.h"

#include "runtime/comm/hello.h"

#include <string.h>
#include <sys/random.h>

#include "runtime/comm/net.h"

static const char word[8] = "loongrdz";
enum { PROTOCOL = 1 };

struct greeting {
	char word[8];
	uint32_t version;
	unsigned char number[LT_SHA256];
};

struct reply {
	struct greeting greeting;
	struct lt_who who;
	unsigned char mac[LT_SHA256];
};

struct verdict {
	uint32_t answer;
	unsigned char mac[LT_SHA256];
};

/* All that a proof covers. */
struct sealed {
	char side;
	char gap[3];
	uint32_t answer;
	unsigned char listener[LT_SHA256], other[LT_SHA256];
	struct lt_who who;
};

bool
lt_random(unsigned char bytes[LT_SHA256])
{
	return getrandom(bytes, LT_SHA256, 0) == LT_SHA256;
}

static bool
greet(struct greeting *g)
{
	memcpy(g->word, word, sizeof word);
	g->version = PROTOCOL;
	return lt_random(g->number);
}

static enum lt_answer
understand(const struct greeting *g)
{
	if (memcmp(g->word, word, sizeof word) != 0)
		return LT_NOBODY;
	return g->version == PROTOCOL ? LT_WELCOME : LT_STRANGER;
}

static void
prove(const unsigned char *token, char side, const struct greeting *listener,
    const struct greeting *other, const struct lt_who *who, uint32_t answer,
    unsigned char *mac)
{
	struct sealed s;

	memset(&s, 0, sizeof s);
	s.side = side;
	s.answer = answer;
	memcpy(s.listener, listener->number, sizeof s.listener);
	memcpy(s.other, other->number, sizeof s.other);
	s.who = *who;
	lt_hmac(token, &s, sizeof s, mac);
}

static enum lt_answer
judged(const unsigned char *token, const struct greeting *mine,
    const struct reply *r, enum lt_answer (*judge)(const struct lt_who *,
    void *), void *arg)
{
	unsigned char mac[LT_SHA256];

	prove(token, 'o', mine, &r->greeting, &r->who, 0, mac);
	return lt_digest_same(mac, r->mac) ? judge(&r->who, arg) :
	    LT_WRONG_TOKEN;
}

enum lt_answer
lt_hello_accept(int fd, const unsigned char token[LT_SHA256],
    struct lt_who *who, enum lt_answer (*judge)(const struct lt_who *, void *),
    void *arg, double end)
{
	struct greeting mine;
	struct reply r;
	struct verdict v = {.answer = LT_NOBODY};
	enum lt_answer known;

	if (!greet(&mine) || !lt_net_write(fd, &mine, sizeof mine, end) ||
	    !lt_net_read(fd, &r, sizeof r, end))
		return LT_NOBODY;
	known = understand(&r.greeting);
	if (known != LT_WELCOME)
		return known;
	*who = r.who;
	v.answer = judged(token, &mine, &r, judge, arg);
	if (v.answer != LT_WRONG_TOKEN)
		prove(token, 'l', &mine, &r.greeting, &r.who, v.answer,
		    v.mac);
	return lt_net_write(fd, &v, sizeof v, end) ?
	    (enum lt_answer)v.answer : LT_NOBODY;
}

enum lt_answer
lt_hello_send(int fd, const unsigned char token[LT_SHA256],
    const struct lt_who *who, double end)
{
	struct greeting theirs;
	struct reply r;
	struct verdict v;
	unsigned char mac[LT_SHA256];
	enum lt_answer known;

	memset(&r, 0, sizeof r);
	if (!lt_net_read(fd, &theirs, sizeof theirs, end))
		return LT_NOBODY;
	known = understand(&theirs);
	if (known != LT_WELCOME || !greet(&r.greeting))
		return known == LT_WELCOME ? LT_NOBODY : known;
	r.who = *who;
	prove(token, 'o', &theirs, &r.greeting, who, 0, r.mac);
	if (!lt_net_write(fd, &r, sizeof r, end) ||
	    !lt_net_read(fd, &v, sizeof v, end))
		return LT_NOBODY;
	prove(token, 'l', &theirs, &r.greeting, who, v.answer, mac);
	return lt_digest_same(mac, v.mac) ? (enum lt_answer)v.answer :
	    LT_WRONG_TOKEN;
}
