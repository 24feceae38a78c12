#include "config.h"

#include "tests/sem/programs.h"

#include <stdlib.h>
#include <string.h>

#include "tests/sem/train.h"

#define X "f32[b,s,e]"

static const char attention[] =
    "module t stage a\n"
    "dim b=2 s=5 e=6 k=2 g=2 d=2 f=4 v=7 p=9 L=2 N=3\n"
    "bundle W[L] layer { n1[e] z1[e] wq[e,k,g,d] wk[e,k,d] wv[e,k,d] "
    "wo[k,g,d,e] bq[k,g,d] bo[e] } : f32\n"
    "bundle U[N] tail { n2[e] up[e,f] down[f,e] bu[f] } : f32\n"
    "bundle E model { emb[v,e] pos[p,e] nf[e] } : f32\n\n"
    "fn layer(l:L, x : " X ", doc : i32[b,s]) {\n"
    "  w = params @W[l] : f32\n"
    "  h = layernorm x, w.n1, w.z1 : " X "\n"
    "  q = dot h, w.wq : f32[b,s,k,g,d]\n"
    "  q1 = add q, w.bq : f32[b,s,k,g,d]\n"
    "  q2 = rope q1 {style=interleaved, over=d} : f32[b,s,k,g,d]\n"
    "  c = dot h, w.wk : f32[b,s,k,d]\n"
    "  v = dot h, w.wv : f32[b,s,k,d]\n"
    "  o, z = attn q2, c, v, doc {mask=same} : f32[b,s,k,g,d], "
    "f32[b,s,k,g]\n"
    "  p = dot o, w.wo : " X "\n"
    "  p1 = add p, w.bo : " X "\n"
    "  y = add x, p1 : " X "\n"
    "  return y\n}\n\n"
    "fn tail(n:N, x : " X ", x0 : " X ") {\n"
    "  w = params @U[n] : f32\n"
    "  h = rmsnorm x, w.n2 : " X "\n"
    "  u = dot h, w.up : f32[b,s,f]\n"
    "  u1 = add u, w.bu : f32[b,s,f]\n"
    "  a = gelu_tanh u1 : f32[b,s,f]\n"
    "  m = dot a, w.down : " X "\n"
    "  half = const {value=0.5} : f32[]\n"
    "  m1 = mul m, half : " X "\n"
    "  m2 = mul m1, x0 : " X "\n"
    "  r = add x, m2 : " X "\n"
    "  c = mul r, half : " X "\n"
    "  t = sum c : f32[]\n"
    "  return r, t\n}\n\n"
    "fn model(tok : i32[b,s], lab : i32[b,s], doc : i32[b,s]) {\n"
    "  E1 = params @E : f32\n"
    "  x = embed E1.emb, tok : " X "\n"
    "  i = iota : i32[s]\n"
    "  p = embed E1.pos, i : f32[s,e]\n"
    "  x0 = add x, p : " X "\n"
    "  x1 = for l=0..L (h = x0) {\n"
    "    r = call layer(l, h, doc)\n    yield r\n  }\n"
    "  zero = const {value=0} : f32[]\n"
    "  x2, aux = for n=0..N (h1 = x1; a = zero) {\n"
    "    r1, t = call tail(n, h1, x0)\n"
    "    a1 = add a, t : f32[]\n    yield r1, a1\n  }\n"
    "  hf = rmsnorm x2, E1.nf : " X "\n"
    "  lg = dot hf, E1.emb : f32[b,s,v]\n"
    "  nll = xent lg, lab : f32[]\n"
    "  small = const {value=0.001} : f32[]\n"
    "  aux1 = mul aux, small : f32[]\n"
    "  loss = add nll, aux1 : f32[]\n"
    "  return loss\n}\n";

static const char dropout[] =
    "module t stage a\n"
    "dim b=2 s=4 e=5 f=3 v=6 L=3\n"
    "bundle W[L] layer { up[e,f] down[f,e] w[e] } : f32\n"
    "bundle E model { emb[v,e] head[e,v] } : f32\n\n"
    "fn layer(l:L, x : " X ") {\n"
    "  w = params @W[l] : f32\n"
    "  x1 = dropout x {rate=0.4, key=1} : " X "\n"
    "  u = dot x1, w.up : f32[b,s,f]\n"
    "  u1 = softmax u {over=f} : f32[b,s,f]\n"
    "  m = dot u1, w.down : " X "\n"
    "  m1 = dropout m {rate=0.3, key=2} : " X "\n"
    "  m2 = div m1, w.w : " X "\n"
    "  r = add x, m2 : " X "\n"
    "  return r\n}\n\n"
    "fn model(tok : i32[b,s], lab : i32[b,s]) {\n"
    "  E1 = params @E : f32\n"
    "  x = embed E1.emb, tok : " X "\n"
    "  y = for l=0..L (h = x) {\n"
    "    r = call layer(l, h)\n    r1 = call layer(l, r)\n    yield r1\n"
    "  }\n"
    "  lg = dot y, E1.head : f32[b,s,v]\n"
    "  n = xent lg, lab : f32[]\n"
    "  return n\n}\n";

/* No block at all: every op of the model is in step. */
static const char flat[] =
    "module t stage a\n"
    "dim b=2 s=5 e=6 k=2 g=1 d=2 f=3 v=7\n"
    "bundle E model { emb[v,e] wq[e,k,g,d] wk[e,k,d] wo[k,g,d,e] w1[e,f] "
    "w3[e,f] w2[f,e] head[e,v] bias[v] } : f32\n\n"
    "fn model(tok : i32[b,s], lab : i32[b,s]) {\n"
    "  w = params @E : f32\n"
    "  x = embed w.emb, tok : " X "\n"
    "  q = dot x, w.wq : f32[b,s,k,g,d]\n"
    "  c = dot x, w.wk : f32[b,s,k,d]\n"
    "  o, z = attn q, c, c : f32[b,s,k,g,d], f32[b,s,k,g]\n"
    "  y = dot o, w.wo : " X "\n"
    "  y1 = cast y : " X "\n"
    "  u = dot y1, w.w1 : f32[b,s,f]\n"
    "  t = dot y, w.w3 : f32[b,s,f]\n"
    "  u1 = silu u : f32[b,s,f]\n"
    "  a = mul t, u1 : f32[b,s,f]\n"
    "  dead = exp a : f32[b,s,f]\n"
    "  m = dot a, w.w2 : " X "\n"
    "  lg = dot m, w.head : f32[b,s,v]\n"
    "  lg1 = add lg, w.bias : f32[b,s,v]\n"
    "  n = xent lg1, lab : f32[]\n"
    "  return n\n}\n";

const struct program programs[] = {
	{"llama", "tests/ir/tiny-forward.lir", NULL, 17, true, true},
	{"attention", NULL, attention, 7, true, false},
	{"dropout", NULL, dropout, 6, false, true},
	{"flat", NULL, flat, 7, true, true},
};
const int nprogram = COUNT_OF(programs);

char *
program_text(struct arena *mem, const struct program *p, const char *settings)
{
	const char *text = p->file ? train_file(mem, p->file) : p->text;
	const char *line = text ? strchr(text, '\n') : NULL;

	if (!line)
		abort();
	return arena_printf(mem, "%.*s%s%s", (int)(line + 1 - text), text,
	    settings, line + 1);
}
