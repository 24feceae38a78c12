/* What processes say to each other before they trust, and their frames. */
#include "config.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/clock.h"
#include "runtime/comm/frames.h"
#include "runtime/comm/hello.h"
#include "runtime/comm/net.h"

static void
is_digest(const unsigned char *x, const char *want)
{
	char text[2 * LT_SHA256 + 1];

	lt_digest_text(x, text);
	ck_assert_str_eq(text, want);
}

/* FIPS 180-4's examples, and lengths around a block (sha256sum's values). */
START_TEST(digests)
{
	static const struct {
		size_t n;
		const char *want;
	} a[] = {
	    {0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852"
		"b855"},
	    {55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f7"
		"34318"},
	    {56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef797068"
		"6ec6738a"},
	    {64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154"
		"668eb"},
	    {200, "c2a908d98f5df987ade41b5fce213067efbcc21ef2240212a41e54b5e7c"
		"28ae5"},
	};
	unsigned char x[LT_SHA256], back[LT_SHA256];
	char text[200];

	lt_sha256("abc", 3, x);
	is_digest(x, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61"
	    "f20015ad");
	memset(text, 'a', sizeof text);
	for (size_t i = 0; i < sizeof a / sizeof *a; i++) {
		lt_sha256(text, a[i].n, x);
		is_digest(x, a[i].want);
		ck_assert(lt_digest_parse(a[i].want, back));
		ck_assert(lt_digest_same(x, back));
	}
	back[31] ^= 1;
	ck_assert(!lt_digest_same(x, back));
	ck_assert(!lt_digest_parse("12", back));
	ck_assert(!lt_digest_parse("g", back));
}
END_TEST

/* RFC 4231, cases 1 and 2; keys are filled up with zeros. */
START_TEST(proofs)
{
	unsigned char key[LT_SHA256] = {0}, x[LT_SHA256];

	memset(key, 0x0b, 20);
	lt_hmac(key, "Hi There", 8, x);
	is_digest(x, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c"
	    "2e32cff7");
	memset(key, 0, sizeof key);
	memcpy(key, "Jefe", 4);
	lt_hmac(key, "what do ya want for nothing?", 28, x);
	is_digest(x, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b9"
	    "64ec3843");
}
END_TEST

/* ---- hello ---- */

struct side {
	int fd;
	unsigned char token[LT_SHA256];
	struct lt_who who;
	enum lt_answer answer;
};

static enum lt_answer
judge(const struct lt_who *who, void *arg)
{
	(void)arg;
	return who->rank == 3 ? LT_WELCOME : LT_TAKEN;
}

static void *
listen_side(void *arg)
{
	struct side *s = arg;

	s->answer = lt_hello_accept(s->fd, s->token, &s->who, judge, NULL,
	    lt_now() + 5);
	close(s->fd);
	return NULL;
}

/* Both sides with their tokens, and what they think of each other. */
static void
meet(unsigned char listener, unsigned char other, uint32_t rank,
    enum lt_answer *heard, enum lt_answer *told)
{
	struct side s = {.token = {listener}};
	unsigned char token[LT_SHA256] = {other};
	struct lt_who me = {.rank = rank, .ranks = 4, .port = 17};
	pthread_t t;
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	s.fd = fd[0];
	ck_assert_int_eq(pthread_create(&t, NULL, listen_side, &s), 0);
	*told = lt_hello_send(fd[1], token, &me, lt_now() + 5);
	pthread_join(t, NULL);
	*heard = s.answer;
	close(fd[1]);
	if (s.answer == LT_WELCOME)
		ck_assert(memcmp(&s.who, &me, sizeof me) == 0);
}

START_TEST(hello)
{
	enum lt_answer heard, told;

	meet(1, 1, 3, &heard, &told);
	ck_assert_int_eq(heard, LT_WELCOME);
	ck_assert_int_eq(told, LT_WELCOME);
	meet(1, 1, 2, &heard, &told);
	ck_assert_int_eq(heard, LT_TAKEN);
	ck_assert_int_eq(told, LT_TAKEN);
	meet(1, 2, 3, &heard, &told);
	ck_assert_int_eq(heard, LT_WRONG_TOKEN);
	ck_assert_int_eq(told, LT_WRONG_TOKEN);
}
END_TEST

/* Who says nothing, or something else, is nobody, after a while. */
START_TEST(strangers)
{
	static const char *const says[] = {"", "GET / HTTP/1.0\r\n\r\n"};

	for (int i = 0; i < 2; i++) {
		struct side s = {.token = {1}};
		char noise[400] = {0};
		int fd[2];

		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		memcpy(noise, says[i], strlen(says[i]));
		if (*says[i])
			ck_assert(write(fd[1], noise, sizeof noise) > 0);
		s.answer = lt_hello_accept(fd[0], s.token, &s.who, judge, NULL,
		    lt_now() + 0.2);
		ck_assert_int_eq(s.answer, LT_NOBODY);
		close(fd[0]);
		close(fd[1]);
	}
}
END_TEST

/* A proof that was heard is of no use: the number is another one. */
START_TEST(replay)
{
	struct side s = {.token = {1}};
	unsigned char token[LT_SHA256] = {1};
	struct lt_who me = {.rank = 3, .ranks = 4};
	char proof[400], number[100];
	ssize_t n, m;
	pthread_t t;
	int a[2], b[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	s.fd = a[0];
	ck_assert_int_eq(pthread_create(&t, NULL, listen_side, &s), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, b), 0);
	n = read(a[1], number, sizeof number);
	ck_assert(n > 0 && write(b[1], number, (size_t)n) == n);
	(void)lt_hello_send(b[0], token, &me, lt_now() + 0.2);
	m = read(b[1], proof, sizeof proof);
	ck_assert(m > 0 && write(a[1], proof, (size_t)m) == m);
	pthread_join(t, NULL);
	ck_assert_int_eq(s.answer, LT_WELCOME); /* relayed at once: it holds */
	close(a[1]);

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, a), 0);
	s.fd = a[0];
	ck_assert_int_eq(pthread_create(&t, NULL, listen_side, &s), 0);
	ck_assert(read(a[1], number, sizeof number) > 0);
	ck_assert(write(a[1], proof, (size_t)m) == m);
	pthread_join(t, NULL);
	ck_assert_int_eq(s.answer, LT_WRONG_TOKEN);
	close(a[1]);
	close(b[0]);
	close(b[1]);
}
END_TEST

/* ---- frames ---- */

enum { LETTERS = 120, LONGEST = 700000 };

static uint32_t seed;

static uint32_t
number(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

struct pair {
	struct lt_line line[2];
	struct {
		int from, lane;
		struct lt_letter out, in;
	} letter[LETTERS];
};

static void
open_pair(struct pair *p)
{
	int fd[2];

	memset(p, 0, sizeof *p);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	p->line[0].fd = fd[0];
	p->line[1].fd = fd[1];
}

static void
close_pair(struct pair *p)
{
	close(p->line[0].fd);
	close(p->line[1].fd);
}

static void
write_letter(struct pair *p, int i)
{
	uint32_t n = 1 + number(number(4) ? 100 : LONGEST);
	char *out = malloc(n), *in = malloc(n);

	ck_assert(out && in);
	for (uint32_t k = 0; k < n; k++)
		out[k] = (char)(k * 7 + k / 251 + (uint32_t)i);
	memset(in, 0, n);
	p->letter[i].from = (int)number(2);
	p->letter[i].lane = (int)number(3);
	p->letter[i].out = (struct lt_letter){.data = out, .bytes = n};
	p->letter[i].in = (struct lt_letter){.data = in, .bytes = n};
}

static void
turn(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		lt_line_push(&p->line[i]);
		lt_line_pull(&p->line[i]);
	}
}

/* Letters posted on both sides in orders of their own, but for a lane's. */
static void
exchange(struct pair *p)
{
	int sent = 0, wanted = 0;

	for (int i = 0; i < LETTERS; i++)
		write_letter(p, i);
	while (sent < LETTERS || wanted < LETTERS) {
		int i = number(2) ? sent : wanted;

		if (i == sent && sent < LETTERS) {
			lt_line_send(&p->line[p->letter[i].from],
			    p->letter[i].lane, &p->letter[i].out);
			sent++;
		} else if (wanted < LETTERS) {
			i = wanted++;
			lt_line_receive(&p->line[!p->letter[i].from],
			    p->letter[i].lane, &p->letter[i].in);
		}
		if (number(3) == 0)
			turn(p);
	}
	for (int i = 0; i < 100000 && p->line[0].moved + p->line[1].moved <
	    2 * LETTERS; i++)
		turn(p);
}

START_TEST(frames)
{
	static struct pair p;

	seed = (uint32_t)_i + 1;
	open_pair(&p);
	exchange(&p);
	for (int i = 0; i < LETTERS; i++) {
		ck_assert(p.letter[i].out.done && p.letter[i].in.done);
		ck_assert(memcmp(p.letter[i].out.data, p.letter[i].in.data,
		    p.letter[i].in.bytes) == 0);
		free(p.letter[i].out.data);
		free(p.letter[i].in.data);
	}
	ck_assert_int_eq(p.line[0].end, LT_OPEN);
	close_pair(&p);
}
END_TEST

/* Sizes that differ; frames that nobody may send. */
START_TEST(confusion)
{
	static const struct lt_frame bad[] = {
	    {2, 0, 0, 8, 8},    /* DATA that was not asked for */
	    {1, 200, 0, 0, 8},  /* a lane that is none */
	    {9, 0, 0, 0, 0},    /* a kind that is none */
	    {3, 0, 0, 0, 0},    /* FAILED with success */
	};
	static struct pair p;
	char a[16] = {0}, b[16];
	struct lt_letter out = {.data = a, .bytes = 16},
	    in = {.data = b, .bytes = 8};

	open_pair(&p);
	lt_line_send(&p.line[0], 1, &out);
	lt_line_receive(&p.line[1], 1, &in);
	for (int i = 0; i < 10; i++)
		turn(&p);
	ck_assert_int_eq(p.line[1].end, LT_CONFUSED);
	ck_assert(!in.done);
	close_pair(&p);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		open_pair(&p);
		ck_assert(write(p.line[0].fd, &bad[i], sizeof bad[i]) ==
		    sizeof bad[i]);
		lt_line_pull(&p.line[1]);
		ck_assert_int_eq(p.line[1].end, LT_CONFUSED);
		close_pair(&p);
	}
}
END_TEST

/* Whatever comes, it goes to places that were posted, or the line ends. */
START_TEST(noise)
{
	static struct pair p;
	static char to[4][300], around[sizeof to];
	struct lt_letter in[4];

	seed = (uint32_t)_i + 1;
	open_pair(&p);
	memset(to, 0, sizeof to);
	memset(in, 0, sizeof in);
	for (int i = 0; i < 4; i++) {
		in[i].data = to[i];
		in[i].bytes = 200;
		lt_line_receive(&p.line[1], i / 2, &in[i]);
	}
	lt_line_push(&p.line[1]);
	for (int i = 0; i < 200; i++) {
		struct lt_frame f = {(uint8_t)(number(8) ? 2 : number(6)),
		    (uint8_t)number(number(8) ? 2 : 256), 0, 1 + number(120),
		    number(16) ? 200 : number(1000)};
		char body[120];

		memset(body, 1, sizeof body);
		(void)!send(p.line[0].fd, &f, sizeof f, MSG_DONTWAIT);
		if (f.kind == 2)
			(void)!send(p.line[0].fd, body, f.bytes,
			    MSG_DONTWAIT);
		lt_line_pull(&p.line[1]);
	}
	ck_assert_int_ne(p.line[1].end, LT_OPEN);
	memset(around, 0, sizeof around);
	for (int i = 0; i < 4; i++)
		ck_assert(memcmp(to[i] + 200, around, 100) == 0);
	close_pair(&p);
}
END_TEST

/* The ends: said, or not. */
START_TEST(ends)
{
	static struct pair p;

	open_pair(&p);
	lt_line_fail(&p.line[0], 65);
	turn(&p);
	ck_assert_int_eq(p.line[1].end, LT_ENDED);
	ck_assert_int_eq(p.line[1].code, 65);
	close_pair(&p);

	open_pair(&p);
	lt_line_bye(&p.line[0]);
	turn(&p);
	ck_assert_int_eq(p.line[1].end, LT_OPEN);
	close(p.line[0].fd);
	lt_line_pull(&p.line[1]);
	ck_assert_int_eq(p.line[1].end, LT_LEFT);
	close(p.line[1].fd);

	open_pair(&p);
	close(p.line[0].fd);
	lt_line_pull(&p.line[1]);
	ck_assert_int_eq(p.line[1].end, LT_LOST);
	close(p.line[1].fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("tcp");
	TCase *c = tcase_create("all");
	SRunner *r;
	int failed;

	tcase_set_timeout(c, 60);
	tcase_add_test(c, digests);
	tcase_add_test(c, proofs);
	tcase_add_test(c, hello);
	tcase_add_test(c, strangers);
	tcase_add_test(c, replay);
	tcase_add_loop_test(c, frames, 0, 8);
	tcase_add_test(c, confusion);
	tcase_add_loop_test(c, noise, 0, 50);
	tcase_add_test(c, ends);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
