# A trace against the program that made it.
#
#	awk -v ranks=N [-v device=1] -f trace.awk PROGRAM.c TRACE.json
#
# Every statement (on a device: every kernel) and every transfer of what step
# calls is there, on its track; spans of one track follow each other, but for
# those of "steps", which nest.  Prints what is wrong.

function bad(s) {
	print s
	failed = 1
}

# Text between the first a after it and the next b.
function between(s, a, b,    i) {
	i = index(s, a)
	if (!i)
		return ""
	s = substr(s, i + length(a))
	i = index(s, b)
	return i ? substr(s, 1, i - 1) : s
}

function text(key) { return between($0, "\"" key "\":\"", "\"") }
function number(key) {
	return between($0, "\"" key "\":", index($0, "\"" key "\":") ? "," : "") + 0
}

# ---- the program: what each function has, and which it calls ----

FNR == NR && /^f_[A-Za-z0-9_]*\(struct lt \*rt/ { f = between("(" $0, "(", "(") }
FNR == NR && /^}/ { f = "" }
FNR == NR && /\[M_.*\] = \{\.name = / {
	id = between($0, "[", "]")
	move_name[id] = between($0, ".name = \"", "\"")
	move_lane[id] = between($0, ".lane = ", ",") + 0
}
FNR == NR && /\.lane = \(const char/ {
	n = split(between($0, "){", "}"), lane, ", ")
	for (i = 1; i <= n; i++)
		lane_name[i - 1] = between(lane[i], "\"", "\"")
}
FNR == NR && f != "" {
	if (/lt_at\(rt, "/ && !/\\/)
		has[f] = has[f] "\n" (device ? "" : between($0, "\"", "\""))
	if (/lt_gpu_launch\(rt, K_/ && device)
		has[f] = has[f] "\n" between($0, "K_", ",")
	if (/&moves\[/)
		sends[f] = sends[f] "\n" between($0, "&moves[", "]")
	if (/^\t+f_[A-Za-z0-9_]*\(/)
		calls[f] = calls[f] "\n" between("(" between($0, "\t", ";"), "(", "(")
}
FNR == NR { next }

# ---- the trace ----

/"ph":"M"/ && /"thread_name"/ {
	track[number("pid"), number("tid")] = between($0, "\"args\":{\"name\":\"", "\"")
	next
}
/"ph":"M"/ && /"process_name"/ { process[number("pid")] = 1; next }
/"ph":"X"/ {
	pid = number("pid"); tid = number("tid"); name = text("name")
	from = number("ts"); to = from + number("dur")
	t = track[pid, tid]
	if (t == "")
		bad("a span before its track has a name: " $0)
	if (to < from - 1e-4)
		bad("ends before it begins: " $0)
	if (t == "steps") {
		while (depth[pid] > 0 && from >= ends[pid, depth[pid]] - 1e-4)
			depth[pid]--
		if (depth[pid] > 0 && to > ends[pid, depth[pid]] + 1e-4)
			bad("does not nest: " $0)
		ends[pid, ++depth[pid]] = to
		deepest = depth[pid] > deepest ? depth[pid] : deepest
	} else {
		if (from < end[pid, tid] - 1e-4)
			bad("overlaps: " $0)
		end[pid, tid] = to
	}
	seen[t, name] = 1
	spans++
}

function reach(f,    n, i, g) {
	if (f == "" || reached[f])
		return
	reached[f] = 1
	n = split(calls[f], g, "\n")
	for (i = 1; i <= n; i++) {
		sub(/.*\t/, "", g[i])
		reach(g[i])
	}
}

END {
	reach("f_step")
	for (f in reached) {
		n = split(has[f], x, "\n")
		for (i = 1; i <= n; i++)
			if (x[i] != "") {
				wanted++
				if (!seen["compute", x[i]])
					bad(f ": not in the trace: " x[i])
			}
		n = split(sends[f], x, "\n")
		for (i = 1; i <= n; i++)
			if (x[i] != "") {
				moves++
				t = "lane " lane_name[move_lane[x[i]]]
				if (!seen[t, move_name[x[i]]])
					bad(f ": not on " t ": " move_name[x[i]])
			}
	}
	for (r = 0; r < ranks; r++)
		if (!process[r])
			bad("no rank " r)
	if (wanted < 10 || (ranks > 1 && moves < 4) || spans < wanted ||
	    deepest < 2)
		bad("too little: " wanted " wanted, " moves " moves, " spans " spans, depth " deepest)
	exit failed
}
