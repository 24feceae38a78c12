/* Event files for TensorBoard. */
#include "config.h"

#include "runtime/metrics/tensorboard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/loong_rt.h"
#include "runtime/main/report.h"

enum { EVENT_MAX = 256 };

/* Bit by bit: events are rare and short. */
uint32_t
lt_crc32c(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint32_t crc = 0xffffffffu;

	while (n--) {
		crc ^= *p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return ~crc;
}

uint32_t
lt_crc32c_masked(const void *data, size_t n)
{
	uint32_t crc = lt_crc32c(data, n);

	return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

/* ---- protocol buffers: just what an Event needs ---- */

struct message {
	unsigned char p[EVENT_MAX];
	size_t n;
};

static void
put_raw(struct message *m, const void *p, size_t n)
{
	if (n > EVENT_MAX - m->n)
		n = EVENT_MAX - m->n;
	memcpy(m->p + m->n, p, n);
	m->n += n;
}

static void
put_varint(struct message *m, uint64_t v)
{
	unsigned char b;

	do {
		b = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		put_raw(m, &b, 1);
		v >>= 7;
	} while (v);
}

enum wire { VARINT, FIXED64, BYTES, FIXED32 = 5 };

static void
put_key(struct message *m, unsigned field, enum wire wire)
{
	put_varint(m, field << 3 | (unsigned)wire);
}

static void
put_bytes(struct message *m, unsigned field, const void *p, size_t n)
{
	put_key(m, field, BYTES);
	put_varint(m, n);
	put_raw(m, p, n);
}

static void
put_record(struct lt_tensorboard *tb, const struct message *m)
{
	uint64_t n = m->n;
	uint32_t head = lt_crc32c_masked(&n, sizeof n);
	uint32_t body = lt_crc32c_masked(m->p, m->n);

	fwrite(&n, sizeof n, 1, tb->file);
	fwrite(&head, sizeof head, 1, tb->file);
	fwrite(m->p, m->n, 1, tb->file);
	fwrite(&body, sizeof body, 1, tb->file);
	fflush(tb->file);
}

static void
put_wall_time(struct message *m)
{
	struct timespec now;
	double t;

	clock_gettime(CLOCK_REALTIME, &now);
	t = (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
	put_key(m, 1, FIXED64);
	put_raw(m, &t, sizeof t);
}

int
lt_tensorboard_open(struct lt_tensorboard *tb, const char *dir)
{
	static const char version[] = "brain.Event:2";
	struct message m = {.n = 0};
	char host[65] = "localhost";

	if (mkdir(dir, 0777) != 0 && errno != EEXIST)
		return lt_fail(LT_EXIT_IO, "--tensorboard %s: %s", dir,
		    strerror(errno));
	gethostname(host, sizeof host - 1);
	if (asprintf(&tb->path, "%s/events.out.tfevents.%lld.%s.%ld.0", dir,
	    (long long)time(NULL), host, (long)getpid()) < 0)
		return lt_fail(LT_EXIT_FAIL, "no memory");
	tb->file = fopen(tb->path, "wxe");
	if (!tb->file)
		return lt_fail(LT_EXIT_IO, "%s: %s", tb->path,
		    strerror(errno));
	put_wall_time(&m);
	put_bytes(&m, 3, version, sizeof version - 1);
	put_record(tb, &m);
	return LT_OK;
}

void
lt_tensorboard_close(struct lt_tensorboard *tb)
{
	if (tb->file && (ferror(tb->file) | fclose(tb->file)))
		lt_warn("%s: not written in full", tb->path);
	free(tb->path);
	*tb = (struct lt_tensorboard){0};
}

void
lt_tensorboard_put(struct lt_tensorboard *tb, int64_t step, const char *tag,
    float value)
{
	struct message v = {.n = 0}, summary = {.n = 0}, m = {.n = 0};

	if (!tb->file)
		return;
	put_bytes(&v, 1, tag, strlen(tag));
	put_key(&v, 2, FIXED32);
	put_raw(&v, &value, sizeof value);
	put_bytes(&summary, 1, v.p, v.n);
	put_wall_time(&m);
	put_key(&m, 2, VARINT);
	put_varint(&m, (uint64_t)step);
	put_bytes(&m, 5, summary.p, summary.n);
	put_record(tb, &m);
}
