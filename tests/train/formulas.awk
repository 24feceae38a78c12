# What a training step sends, from the formulas of LoongTrain and of hybrid
# ZeRO: "op axes calls bytes", calls of each rank, bytes of all ranks, axes by
# name.  Written from the paper's quantities; knows nothing of the compiler.
#
#   mesh      dp hp cp inner
#   program   L layers, K kv heads of G queries each, D their size, S tokens
#             in the data, B sequences of all dp ranks in a microbatch,
#             micro of these a step, act bytes of an activation, docs = 1 if
#             attention is within documents
#   layer     sizes of a layer's parameters, "20 20*72 ...", in their order
#   outside   those of the parameters outside of layers
#   recompute none, full, save or offload (as save, and the host keeps the
#             inputs of layers); ring kv, q or auto
#   pm gm om  axes that share matrices' parameters, gradients, optimizer state
#   pr gr or_ those of the rest
#
# A transfer over n ranks, of which each has x bytes before:
#   a2a       each keeps one of n pieces               (n-1)/n x
#   gather    each sends what it has to all others     (n-1) x
#   rscatter  each sends all pieces but its own        (n-1)/n x
#   allreduce rscatter, then gather of the pieces      2 (n-1)/n x
#   shift     each sends all                           x
#
# What is offloaded goes to the host in forward and comes back in backward.

function gcd(a, b) { return b ? gcd(b, a % b) : a }
function up(x, unit) { return int((x + unit - 1) / unit) * unit }

# has(LIST, AXIS), and what of LIST is not in LESS
function has(list, axis) { return index("," list ",", "," axis ",") > 0 }
function but(list, less,    a, n, i, out) {
	n = split(list, a, ",")
	for (i = 1; i <= n; i++)
		if (!has(less, a[i]))
			out = out (out == "" ? "" : ",") a[i]
	return out
}
function ranks(list,    a, n, i, r) {
	r = 1
	n = split(list, a, ",")
	for (i = 1; i <= n; i++)
		r *= size[a[i]]
	return r
}
function by_name(list,    a, n, i, j, t) {
	n = split(list, a, ",")
	for (i = 1; i <= n; i++)
		for (j = i + 1; j <= n; j++)
			if (a[j] < a[i]) { t = a[i]; a[i] = a[j]; a[j] = t }
	t = a[1]
	for (i = 2; i <= n; i++)
		t = t "," a[i]
	return t
}

# what a rank sends of its x bytes
function part(op, n) {
	if (op == "shift")
		return 1
	if (op == "gather")
		return n - 1
	return (op == "allreduce" ? 2 : 1) * (n - 1) / n
}
# send(OP, AXES, TIMES, X): X bytes of each rank before it
function send(op, axes, times, x,    n, key) {
	n = ranks(axes)
	if (n == 1 || times == 0)
		return
	key = op " " by_name(axes)
	calls[key] += times
	bytes[key] += times * all * x * part(op, n)
}

# copies to the host and back, of X bytes of each rank
function copy(times, x) {
	calls["offload host"] = calls["fetch host"] = times
	bytes["offload host"] = bytes["fetch host"] = times * all * x
}

# ---- the mesh ----

# What the axes are called: two rings, or one; heads of keys and of the
# queries of a key where ranks are more than key heads or do not divide them.
function name_axes() {
	size["dp"] = dp
	if (inner > 1 && inner < cp) {
		size["co"] = cp / inner
		size["ci"] = inner
		ring_axes = "co,ci"
	} else {
		size["cp"] = cp
		ring_axes = "cp"
	}
	hk = gcd(hp, K)
	hr = hp / hk
	head_axes = hr == 1 ? "hp" : hk == 1 ? "hr" : "hk,hr"
	size["hp"] = hr == 1 ? hp : 1
	size["hk"] = hr == 1 ? 1 : hk
	size["hr"] = hr
	key_axes = hr == 1 ? "hp" : "hk"
	all_axes = expand("dp,cp,hp")
	all = dp * cp * hp
}
# a list of a plan: its axes by those names, without those of one rank
function expand(list,    a, n, i, out) {
	sub(/cp/, ring_axes, list)
	sub(/hp/, head_axes, list)
	n = split(list, a, ",")
	for (i = 1; i <= n; i++)
		if (size[a[i]] > 1)
			out = out (out == "" ? "" : ",") a[i]
	return out
}

# ---- attention ----

# Tokens to heads, and back: q, k, v; o.  A rank has S/sp tokens before.
function to_heads(times) {
	send("a2a", head_axes, times, q_shard * act)
	send("a2a", key_axes, 2 * times, k_shard * act)
	send("gather", "hr", 2 * times, k_shard * act)
}
function to_tokens(times) {
	send("a2a", head_axes, times, q_shard * act)
}
# Gradients go the other way, those of replicas of k and v are added in f32.
function grad_to_heads(times) {
	send("a2a", head_axes, times, q_shard * act)
}
function grad_to_tokens(times) {
	send("a2a", head_axes, times, q_shard * act)
	send("rscatter", "hr", 2 * times, k_shard * hr * 4)
	send("a2a", key_axes, 2 * times, k_shard * act)
}

# Blocks of x bytes visit all ranks of the ring: windows of inner hops.
function rounds(times, x) {
	if (ring_axes == "cp") {
		send("shift", "cp", times * (cp - 1), x)
		return
	}
	send("shift", "ci", times * size["co"] * (size["ci"] - 1), x)
	send("shift", "co", times * (size["co"] - 1), x)
}

# One block: all tokens of a context rank, its heads.
function ring_forward(times) {
	rounds(times, 2 * k_block * act)
	if (docs)
		rounds(times, doc_block * 4)
}
function ring_backward(times) {
	if (travels == "kv") {
		rounds(times, 2 * k_block * act)	# k, v
		rounds(times, 2 * k_block * 4)	# dk, dv: f32
		send("shift", ring_axes, times, 2 * k_block * 4)
	} else {
		# do and q, and of each row lse and delta, which are f32:
		# a transfer has one type
		if (act == 4)
			rounds(times, 2 * (q_block + row_block) * 4)
		else {
			rounds(times, 2 * q_block * act)
			rounds(times, 2 * row_block * 4)
		}
		rounds(times, q_block * 4)
		send("shift", ring_axes, times, q_block * 4)
	}
	if (docs)
		rounds(times, doc_block * 4)
}

# bytes of a backward ring, each way: fewer is chosen
function choose_ring(    kv, q) {
	kv = (cp - 1) * 2 * k_block * (act + 4) + 2 * k_block * 4
	q = (cp - 1) * (2 * q_block * act + 2 * row_block * 4 + q_block * 4) + \
	    q_block * 4
	travels = ring != "auto" ? ring : q < kv ? "q" : "kv"
}

# The paper's a2a, b S D/sp (2 + 2 Hkv'/H) (hp-1)/hp, and M_kv, (Hkv'/H) 2 b S
# D/sp, in its words; Hkv' kv heads after replication.
function paper(n, sent, s,    H, Hkv, sp, a2a, M) {
	H = K * G
	Hkv = hp > hk ? K * hr : K
	sp = hp * cp
	a2a = act * s * (H * D) / sp * (2 + 2 * Hkv / H) * (hp - 1) / hp
	M = Hkv / H * 2 * act * s * (H * D) / sp
	if (differ(n * all * a2a, sent) || differ(M, 2 * k_block * act))
		print "not what the paper sends"
}
function differ(x, y) { return (x - y)^2 > 1e-20 * y^2 }
function total(    i, sum) {
	for (i in bytes)
		sum += bytes[i]
	return sum
}

function attention(    n, s, b) {
	s = up(S, cp * hp * (hp % 2 ? 2 : 1))
	b = B / dp
	n = L * micro
	q_shard = b * s / (cp * hp) * K * G * D
	k_shard = b * s / (cp * hp) * K * D
	q_block = q_shard
	k_block = k_shard * hr
	row_block = q_block / D
	doc_block = b * s / cp
	choose_ring()
	to_heads(n)
	to_tokens(n)
	paper(n, total(), b * s)
	if (docs)
		send("gather", head_axes, 2 * n, doc_block / hp * 4)
	ring_forward(cp > 1 ? n : 0)
	if (recompute != "none") {
		to_heads(n)
		to_tokens(n)
	}
	if (recompute == "full" && cp > 1)
		ring_forward(n)
	if (recompute == "offload")
		copy(n, doc_block / hp * layer_width() * act)
	grad_to_heads(n)
	ring_backward(cp > 1 ? n : 0)
	grad_to_tokens(n)
}

# A layer's first parameter scales its input: one for each element.
function layer_width(    f) {
	split(layer, f, " ")
	return f[1]
}

# ---- parameters and gradients ----

# elements of fields: each begins at a multiple of 16; of a stack all layers
# of a field are one array
function elements(fields, stack,    f, g, n, m, i, j, x, sum) {
	n = split(fields, f, " ")
	for (i = 1; i <= n; i++) {
		m = split(f[i], g, "*")
		x = stack
		for (j = 1; j <= m; j++)
			x *= g[j]
		sum = up(sum, 16) + x
	}
	return sum
}
# which of the fields have one size (vectors), or more
function only(fields, vectors,    f, n, i, out) {
	n = split(fields, f, " ")
	for (i = 1; i <= n; i++)
		if ((f[i] !~ /\*/) == vectors)
			out = out " " f[i]
	return out
}
# an image can be cut for all ranks
function image(fields) { return up(elements(fields, 1), 16 * all) }

# shared(FIELDS, LAYERS, P, G, O): images of so many layers
function shared(fields, layers, p, g, o,    x, n) {
	x = image(fields)
	n = layers * micro
	if (p != "")	# a layer's, in forward and backward; others once
		send("gather", p, (layers > 0 ? 2 * n : micro),
		    x * act / ranks(p))
	if (layers == 0) {
		n = micro
		layers = 1
	}
	if (g != "")
		send("rscatter", g, n, x * 4)
	if (but(o, g) != "")
		send("rscatter", but(o, g), 1, layers * x * 4 / ranks(g))
	send("allreduce", but(all_axes, o), 1, layers * x * 4 / ranks(o))
	if (but(o, p) != "" && act == 4)
		send("gather", but(o, p), 1, layers * x * act / ranks(o))
	else if (but(o, p) != "")	# casts go by layers
		send("gather", but(o, p), layers, x * act / ranks(o))
	norms[by_name(o)] = o
}
# share(FIELDS, LAYERS, P, G, O): without axes one array on all ranks.  Else a
# layer is an image; outside of layers each matrix is, and all vectors
function share(fields, layers, p, g, o,    a, n, i) {
	if (o == "") {
		send("allreduce", all_axes, 1,
		    elements(fields, layers ? layers : 1) * 4)
		return
	}
	if (layers) {
		shared(fields, layers, p, g, o)
		return
	}
	n = split(only(fields, 0), a, " ")
	for (i = 1; i <= n; i++)
		shared(a[i], 0, p, g, o)
	shared(only(fields, 1), 0, p, g, o)
}
function state(    i) {
	if (pm "/" gm "/" om == pr "/" gr "/" or_)
		share(layer, L, pm, gm, om)
	else {
		share(only(layer, 0), L, pm, gm, om)
		share(only(layer, 1), L, pr, gr, or_)
	}
	share(outside, 0, pr, gr, or_)
	for (i in norms)	# sums of squares of blocks
		send("allreduce", norms[i], 1, 4)
}

BEGIN {
	name_axes()
	pm = expand(pm); gm = expand(gm); om = expand(om)
	pr = expand(pr); gr = expand(gr); or_ = expand(or_)
	attention()
	state()
	send("allreduce", all_axes, 2, 4)	# loss, and tokens that count
	for (k in calls)
		printf "%s %d %.0f\n", k, calls[k], bytes[k]
}
