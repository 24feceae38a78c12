/*
 * Attention three times over, forward and backward: on one device, in one op
 * over a mesh, as a ring of steps.  Each has a place for the mesh's line, one
 * for document ids and one for the mask.
 */
#ifndef LOONG_TESTS_SEM_RINGTEXT_H
#define LOONG_TESTS_SEM_RINGTEXT_H

enum { B = 2, S = 36, K = 2, G = 2, D = 2 };
enum { NQ = B * S * K * G * D, NK = B * S * K * D, NZ = B * S * K * G };

#define HEAD "dim b=2 s=36 k=2 g=2 d=2\n"

static const char attn_one[] = "module t stage b\n" HEAD
    "fn f(q : f32[b,s,k,g,d], c : f32[b,s,k,d], v : f32[b,s,k,d], "
    "do : f32[b,s,k,g,d], doc : i32[b,s]) {\n"
    "  o, z = attn q, c, v%s {mask=%s} : f32[b,s,k,g,d], f32[b,s,k,g]\n"
    "  D = attn.delta do, o : f32[b,s,k,g]\n"
    "  dq, dc, dv = attn.bwd do, q, c, v, z, D%s {mask=%s} : "
    "f32[b,s,k,g,d], f32[b,s,k,d], f32[b,s,k,d]\n"
    "  return o, z, dq, dc, dv\n}\n";

/* T: tokens.  Q, C: queries and keys where attention is.  Z: rows. */
#define T "f32[b/dp,s/zz(co,ci)/hr/hk,k,"
#define Q "f32[b/dp,s/zz(co,ci),k/hk,g/hr,d]"
#define Z "f32[b/dp,s/zz(co,ci),k/hk,g/hr]"
#define C(co, ci) "f32[b/dp,s/zz(" co "," ci "),k/hk,d]"
#define DOC "i32[b/dp,s/zz(co,ci)"

#define IN                                                                     \
    "fn f(q : " T "g,d], c : " T "d], v : " T "d], do : " T "g,d], "           \
    "doc : i32[b/dp,s/zz(co,ci)/hr/hk]) {\n"                                   \
    "  docA = gather doc on hr,hk : " DOC "]\n"                                \
    "  qA = a2a q on hr s>g, hk s>k : " Q "\n"                                 \
    "  doA = a2a do on hr s>g, hk s>k : " Q "\n"                               \
    "  c1 = a2a c on hk s>k : f32[b/dp,s/zz(co,ci)/hr,k/hk,d]\n"               \
    "  v1 = a2a v on hk s>k : f32[b/dp,s/zz(co,ci)/hr,k/hk,d]\n"               \
    "  cA = gather c1 on hr : " C("co", "ci") "\n"                             \
    "  vA = gather v1 on hr : " C("co", "ci") "\n"

#define BACK                                                                   \
    "  o = a2a oA on hr g>s, hk k>s : " T "g,d]\n"                             \
    "  z = a2a zA on hr g>s, hk k>s : " T "g]\n"                               \
    "  dq = a2a dqA on hr g>s, hk k>s : " T "g,d]\n"                           \
    "  dc1 = rscatter dcA on hr>s : f32[b/dp,s/zz(co,ci)/hr,k/hk,d]\n"         \
    "  dv1 = rscatter dvA on hr>s : f32[b/dp,s/zz(co,ci)/hr,k/hk,d]\n"         \
    "  dc = a2a dc1 on hk k>s : " T "d]\n"                                     \
    "  dv = a2a dv1 on hk k>s : " T "d]\n"                                     \
    "  return o, z, dq, dc, dv\n}\n"

static const char attn_whole[] = "module t stage b\n%s\n" HEAD IN
    "  oA, zA = attn qA, cA, vA%s on co,ci {mask=%s} : " Q ", " Z "\n"
    "  D = attn.delta doA, oA : " Z "\n"
    "  dqA, dcA, dvA = attn.bwd doA, qA, cA, vA, zA, D%s on co,ci {mask=%s} "
    ": " Q ", " C("co", "ci") " +(hr) x2\n" BACK;

#define BWD "f32[b/dp,s/zz(co-j,ci-i),k/hk,d] +(hr)"

static const char attn_ring[] = "module t stage c\n%s\n" HEAD IN
    "  o0 = zeros : " Q "\n  z0 = neginf : " Z "\n"
    "  oA, zA, cE, vE, dE = for j=0..co (oj = o0; zj = z0; cj = cA : "
    C("co-j", "ci") "; vj = vA : " C("co-j", "ci") "; "
    "dj = docA : i32[b/dp,s/zz(co-j,ci)]) {\n"
    "    cn, vn = shift cj, vj by co+1 : " C("co-j-1", "ci") " x2\n"
    "    dn = shift dj by co+1 : i32[b/dp,s/zz(co-j-1,ci)]\n"
    "    oi, zi, ce, ve, de = for i=0..ci (oa = oj; za = zj; ck = cj : "
    C("co-j", "ci-i") "; vk = vj : " C("co-j", "ci-i") "; "
    "dk = dj : i32[b/dp,s/zz(co-j,ci-i)]) {\n"
    "      cr, vr = shift ck, vk by ci+1 : " C("co-j", "ci-i-1") " x2\n"
    "      dr = shift dk by ci+1 : i32[b/dp,s/zz(co-j,ci-i-1)]\n"
    "      ob, zb = attn.step qA, ck, vk%s into !oa, !za {mask=%s} : " Q ", "
    Z "\n"
    "      yield ob, zb, cr, vr, dr\n    }\n"
    "    yield oi, zi, cn, vn, dn\n  }\n"
    "  D = attn.delta doA, oA : " Z "\n"
    "  dq0 = zeros : " Q "\n"
    "  dc0 = zeros : " C("co", "ci") " +(hr)\n"
    "  dv0 = zeros : " C("co", "ci") " +(hr)\n"
    "  dqA, dcA, dvA, cF, vF, dF = for j=0..co (dqj = dq0; "
    "dcj = dc0 : " C("co-j", "ci") " +(hr); "
    "dvj = dv0 : " C("co-j", "ci") " +(hr); cj1 = cA : " C("co-j", "ci") "; "
    "vj1 = vA : " C("co-j", "ci") "; "
    "dj1 = docA : i32[b/dp,s/zz(co-j,ci)]) {\n"
    "    cn1, vn1 = shift cj1, vj1 by co+1 : " C("co-j-1", "ci") " x2\n"
    "    dn1 = shift dj1 by co+1 : i32[b/dp,s/zz(co-j-1,ci)]\n"
    "    dqi, dci, dvi, ce1, ve1, de1 = for i=0..ci (dqa = dqj; dca = dcj : "
    BWD "; dva = dvj : " BWD "; ck1 = cj1 : " C("co-j", "ci-i") "; vk1 = vj1 "
    ": " C("co-j", "ci-i") "; dk1 = dj1 : i32[b/dp,s/zz(co-j,ci-i)]) {\n"
    "      cr1, vr1 = shift ck1, vk1 by ci+1 : " C("co-j", "ci-i-1") " x2\n"
    "      dr1 = shift dk1 by ci+1 : i32[b/dp,s/zz(co-j,ci-i-1)]\n"
    "      dqb, dcb, dvb = attn.step.bwd doA, qA, ck1, vk1, zA, D%s into "
    "!dqa, !dca, !dva {mask=%s} : " Q ", " BWD " x2\n"
    "      dcr, dvr = shift dcb, dvb by ci+1 : "
    "f32[b/dp,s/zz(co-j,ci-i-1),k/hk,d] +(hr) x2\n"
    "      yield dqb, dcr, dvr, cr1, vr1, dr1\n    }\n"
    "    dcn, dvn = shift dci, dvi by co+1 : " C("co-j-1", "ci")
    " +(hr) x2\n"
    "    yield dqi, dcn, dvn, cn1, vn1, dn1\n  }\n" BACK;

static const struct mask {
	const char *name, *doc, *q, *k;
} masks[] = {
	{"causal", "", "", ""}, {"full", "", "", ""},
	{"window, window=7", "", "", ""},
	{"same", ", doc", ", docA, dk", ", docA, dk1"},
};

static const char *const meshes[] = {
	"mesh dp=1 co=1 ci=1 hk=1 hr=1", "mesh dp=2 co=1 ci=3 hk=1 hr=1",
	"mesh dp=1 co=3 ci=1 hk=1 hr=2", "mesh dp=1 co=1 ci=2 hk=2 hr=1",
	"mesh hk=2 dp=1 ci=3 hr=1 co=1", "mesh dp=1 co=3 ci=2 hk=1 hr=1",
	"mesh dp=2 co=1 ci=1 hk=2 hr=2", "mesh dp=1 hr=2 co=1 ci=3 hk=1",
};

#endif
