/* Attention as a program for GPUs calls it, with any heads: see gpu.h. */
#undef lt_gpu_attn_fwd
#undef lt_gpu_attn_step
#undef lt_gpu_attn_bwd

static void *
scratch(size_t bytes)
{
	void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);

	if (!p)
		abort();
	return p;
}

__attribute__((unused)) static void
any_attn_fwd(struct lt *rt, const struct lt_attn *p, const void *q,
    const void *k, const void *v, void *o, float *z)
{
	void *w = scratch(lt_attn_fwd_workspace(p,
	    lt_pool_threads(rt->pool)));

	lt_attn_fwd(rt->pool, p, q, k, v, o, z, w);
	free(w);
}

__attribute__((unused)) static void
any_attn_step(struct lt *rt, const struct lt_attn *p, const void *q,
    const void *k, const void *v, float *o, float *z)
{
	void *w = scratch(lt_attn_fwd_workspace(p,
	    lt_pool_threads(rt->pool)));

	lt_attn_step(rt->pool, p, q, k, v, o, z, w);
	free(w);
}

__attribute__((unused)) static void
any_attn_bwd(struct lt *rt, const struct lt_attn *p, const void *dout,
    const void *q, const void *k, const void *v, const float *z,
    const float *delta, void *dq, void *dk, void *dv)
{
	void *w = scratch(lt_attn_bwd_workspace(p,
	    lt_pool_threads(rt->pool)));

	lt_attn_bwd(rt->pool, p, dout, q, k, v, z, delta, dq, dk, dv, w);
	free(w);
}
