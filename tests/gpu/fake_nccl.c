/*
 * libnccl.so.2 for machines without GPUs, on streams of fake_cuda.c: ranks are
 * threads.  Sends and receives of a group happen when their stream comes to
 * it, and match in order for each pair of ranks; a communicator checks that
 * both sides mean the same number of bytes.
 *
 *	FAKE_NCCL_VERSION
 *	FAKE_NCCL_LOSE    "1:100": after 100 messages, those of ranks 1 of all
 *	                  communicators are lost
 *	FAKE_NCCL_ERROR   "100:6": the 100th look at a communicator finds that
 */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IN_PROGRESS = 7, INVALID = 4, INTERNAL = 3, RANKS = 16, BYTES = 1 };

struct id {
	char bytes[128];
};

struct message {
	struct message *next;
	size_t n;
	char *data;
};

struct world {
	struct world *next;
	struct id id;
	int n, here;
	void *stream[RANKS];
	struct message *box[RANKS][RANKS]; /* [from][to] */
};

struct comm {
	struct world *world;
	int rank;
	volatile int aborted; /* its calls are over */
};

struct call {
	struct call *next;
	struct comm *comm;
	void *stream, *x;
	size_t n;
	int peer, sends, over;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct world *worlds;
static int ids;
static __thread struct call *group, **tail;
static int (*enqueue)(void *, int (*)(void *), void *(*)(void *, void *),
    void *);
static int (*advance)(void *);

static void
find_driver(void)
{
	void *lib = dlopen("libcuda.so.1", RTLD_NOW), *p;

	if (!lib)
		abort();
	p = dlsym(lib, "fake_enqueue");
	memcpy(&enqueue, &p, sizeof p);
	p = dlsym(lib, "fake_advance");
	memcpy(&advance, &p, sizeof p);
}

int
ncclGetVersion(int *v)
{
	const char *s = getenv("FAKE_NCCL_VERSION");

	*v = s ? atoi(s) : 22809;
	return 0;
}

int
ncclGetUniqueId(struct id *id)
{
	pthread_mutex_lock(&lock);
	memset(id, 0, sizeof *id);
	snprintf(id->bytes, sizeof id->bytes, "id %d of %d", ++ids,
	    (int)getpid());
	if (!enqueue)
		find_driver();
	pthread_mutex_unlock(&lock);
	return 0;
}

struct config {
	size_t size;
	unsigned magic, version;
	int blocking, cga, min, max;
};

int
ncclCommInitRankConfig(struct comm **c, int n, struct id id, int rank,
    const struct config *config)
{
	const char *log = getenv("FAKE_NCCL_LOG");
	FILE *f = log ? fopen(log, "a") : NULL;
	struct world *w;

	if (f) {
		fprintf(f, "%s, rank %d of %d\n", id.bytes, rank, n);
		fclose(f);
	}
	if (!*id.bytes || n > RANKS || rank >= n ||
	    config->magic != 0xcafebeef || config->blocking ||
	    config->max != INT_MIN)
		return INVALID;
	pthread_mutex_lock(&lock);
	for (w = worlds; w && memcmp(&w->id, &id, sizeof id) != 0; w = w->next)
		continue;
	if (!w) {
		w = calloc(1, sizeof *w);
		w->id = id;
		w->n = n;
		w->next = worlds;
		worlds = w;
	}
	w->here++;
	*c = calloc(1, sizeof **c);
	(*c)->world = w;
	(*c)->rank = rank;
	pthread_mutex_unlock(&lock);
	return w->n == n ? IN_PROGRESS : INVALID;
}

int
ncclCommGetAsyncError(struct comm *c, int *error)
{
	static int looks;
	const char *s = getenv("FAKE_NCCL_ERROR");
	int nth = 0, code = 0;

	pthread_mutex_lock(&lock);
	*error = c->world->here < c->world->n ? IN_PROGRESS : 0;
	if (s && sscanf(s, "%d:%d", &nth, &code) == 2 && ++looks >= nth)
		*error = code;
	pthread_mutex_unlock(&lock);
	return 0;
}

int ncclCommFinalize(struct comm *c) { (void)c; return 0; }
int ncclCommDestroy(struct comm *c) { free(c); return 0; }
int ncclCommAbort(struct comm *c) { c->aborted = 1; return 0; }

int
ncclGroupStart(void)
{
	if (group)
		return INVALID;
	tail = &group;
	return 0;
}

static int
add(void *x, size_t n, int type, int peer, struct comm *c, void *stream,
    int sends)
{
	struct call *k = calloc(1, sizeof *k);

	if (type != BYTES || peer >= c->world->n || peer == c->rank || !n)
		return INVALID;
	*k = (struct call){NULL, c, stream, x, n, peer, sends, 0};
	*tail = k;
	tail = &k->next;
	return 0;
}

int
ncclSend(const void *x, size_t n, int type, int peer, struct comm *c,
    void *stream)
{
	return add((void *)x, n, type, peer, c, stream, 1);
}

int
ncclRecv(void *x, size_t n, int type, int peer, struct comm *c, void *stream)
{
	return add(x, n, type, peer, c, stream, 0);
}

static int
lost(const struct comm *c)
{
	static int sent;
	const char *s = getenv("FAKE_NCCL_LOSE");
	int rank = 0, after = 0;

	return s && sscanf(s, "%d:%d", &rank, &after) == 2 &&
	    c->rank == rank && ++sent > after;
}

static void
send(struct call *k)
{
	if (lost(k->comm)) {
		k->over = 1;
		return;
	}
	struct message *m = malloc(sizeof *m), **p =
	    &k->comm->world->box[k->comm->rank][k->peer];

	*m = (struct message){NULL, k->n, malloc(k->n)};
	memcpy(m->data, k->x, k->n);
	while (*p)
		p = &(*p)->next;
	*p = m;
	k->over = 1;
}

static int
receive(struct call *k)
{
	struct world *w = k->comm->world;
	struct message **p = &w->box[k->peer][k->comm->rank], *m;

	if (!*p && w->stream[k->peer])
		(void)advance(w->stream[k->peer]);
	m = *p;
	if (!m)
		return 0;
	if (m->n != k->n) {
		fprintf(stderr, "fake nccl: %zu bytes for %zu\n", m->n, k->n);
		abort();
	}
	memcpy(k->x, m->data, m->n);
	*p = m->next;
	free(m->data);
	free(m);
	return k->over = 1;
}

/* With the driver's lock held: all sends, then what has come. */
static int
run(void *arg)
{
	struct call *k;
	int all = 1;

	if (((struct call *)arg)->comm->aborted)
		return 1;
	for (k = arg; k; k = k->next)
		if (k->sends && !k->over)
			send(k);
	for (k = arg; k; k = k->next)
		if (!k->over)
			all &= receive(k);
	return all;
}

/* For a launch of a graph, whose stream then is the communicator's. */
static void *
again(void *arg, void *stream)
{
	struct call *head = NULL, **to = &head;

	for (const struct call *k = arg; k; k = k->next) {
		*to = malloc(sizeof **to);
		**to = *k;
		(*to)->stream = stream;
		k->comm->world->stream[k->comm->rank] = stream;
		to = &(*to)->next;
	}
	return head;
}

int
ncclGroupEnd(void)
{
	struct call *all = group;

	group = NULL;
	if (!all)
		return 0;
	all->comm->world->stream[all->comm->rank] = all->stream;
	return enqueue(all->stream, run, again, all) ? INTERNAL : IN_PROGRESS;
}

const char *
ncclGetErrorString(int r)
{
	return r == 6 ? "remote process exited or there was a network error" :
	    "fake error";
}
