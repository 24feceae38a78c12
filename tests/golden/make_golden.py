#!/usr/bin/env python3
# Writes the golden losses and gradients next to this file:
#
#     python3 make_golden.py [--check] [NAME...]
#
# Each tiny model is written here a second time in plain PyTorch (float64, its
# own normalisation, activation, attention and loss functions) and shares no
# code with the compiler.  Weights and inputs come from the formula of
# README.md.  With --check nothing is written: the files are recomputed and
# compared.  Needs PyTorch >= 2.4.
import argparse
import math
import os
import sys

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)

MASK64 = (1 << 64) - 1
FULL = 48      # tensors of at most this many elements are written whole
SAMPLES = 16   # of larger ones so many elements, and three sums


# ---- the formula -----------------------------------------------------------
def fnv1a64(text):
    h = 0xcbf29ce484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001b3) & MASK64
    return h


def splitmix64(x):
    x = (x + 0x9e3779b97f4a7c15) & MASK64
    x = ((x ^ (x >> 30)) * 0xbf58476d1ce4e5b9) & MASK64
    x = ((x ^ (x >> 27)) * 0x94d049bb133111eb) & MASK64
    return x ^ (x >> 31)


def draw(name, i):
    return splitmix64((fnv1a64(name) + i) & MASK64)


def centred(name, i):
    """In [-1/2, 1/2), a multiple of 2^-24: exact in float32 too."""
    return (draw(name, i) >> 40) * 2.0 ** -24 - 0.5


def weight(name, shape, gain):
    n = math.prod(shape)
    if gain:
        values = [1 + centred(name, i) * 2 * 0.2 for i in range(n)]
    else:
        values = [centred(name, i) * 2 * 0.3 for i in range(n)]
    return torch.tensor(values).reshape(shape).requires_grad_()


def inputs(b, s, v):
    tok = [draw('tok', i) % v for i in range(b * s)]
    lab = [-100 if draw('ignore', i) % 5 == 0 else draw('lab', i) % v
           for i in range(b * s)]
    doc = []
    for i in range(b * s):
        first = i % s == 0
        doc.append(0 if first else doc[-1] + (draw('doc', i) % 3 == 0))
    return [torch.tensor(x).reshape(b, s) for x in (tok, lab, doc)]


# ---- the mathematics, independent of the compiler's ------------------------
def allowed(s, mask, doc):
    """Boolean [b or 1, 1, s, s]: query row may look at key column."""
    query, key = torch.arange(s)[:, None], torch.arange(s)[None, :]
    ok = (key <= query)[None, None]
    if mask == 'full':
        ok = torch.ones_like(ok)
    elif mask == 'same':
        ok = ok & (doc[:, None, :, None] == doc[:, None, None, :])
    elif mask != 'causal':
        ok = ok & (query - key < mask)[None, None]
    return ok


def attention(q, c, v, ok):
    """q [b,s,k,g,d], c and v [b,s,k,d], as PyTorch's heads and back."""
    b, s, k, g, d = q.shape
    heads = q.reshape(b, s, k * g, d).transpose(1, 2)
    keys = c.transpose(1, 2).repeat_interleave(g, dim=1)
    values = v.transpose(1, 2).repeat_interleave(g, dim=1)
    o = F.scaled_dot_product_attention(heads, keys, values, attn_mask=ok)
    return o.transpose(1, 2).reshape(b, s, k, g, d)


def rope_half(x, base):
    """Pairs (j, j + d/2), as in the transformers library."""
    s, d = x.shape[1], x.shape[-1]
    inv = base ** (-torch.arange(0, d, 2) / d)
    angle = torch.outer(torch.arange(s).double(), inv)
    angle = torch.cat((angle, angle), dim=-1)
    angle = angle.reshape([1, s] + [1] * (x.dim() - 3) + [d])
    x1, x2 = x[..., :d // 2], x[..., d // 2:]
    return x * angle.cos() + torch.cat((-x2, x1), dim=-1) * angle.sin()


def rope_interleaved(x, base):
    """Pairs (2j, 2j + 1) as complex numbers, as in Meta's code."""
    s, d = x.shape[1], x.shape[-1]
    inv = 1.0 / base ** (torch.arange(0, d, 2) / d)
    angle = torch.outer(torch.arange(s).double(), inv)
    turn = torch.polar(torch.ones_like(angle), angle)
    turn = turn.reshape([1, s] + [1] * (x.dim() - 3) + [d // 2])
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], d // 2, 2))
    return torch.view_as_real(pairs * turn).reshape(x.shape)


def linear(x, w, nin, nout):
    """w holds nin input axes, then nout output axes."""
    lead = x.shape[:x.dim() - nin]
    out = w.shape[nin:]
    assert len(out) == nout and x.shape[x.dim() - nin:] == w.shape[:nin]
    flat = w.reshape(math.prod(w.shape[:nin]), math.prod(out))
    return (x.reshape(-1, flat.shape[0]) @ flat).reshape(*lead, *out)


def gpt2(dim, P, tok, doc):
    ln = lambda x, w, z: F.layer_norm(x, x.shape[-1:], w, z, 1e-5)
    ok = allowed(dim['s'], 'causal', doc)
    x = F.embedding(tok, P['model.emb']) + P['model.pos'][:dim['s']]
    for l in range(dim['L']):
        w = {n[6:]: t[l] for n, t in P.items() if n.startswith('layer.')}
        h = ln(x, w['n1'], w['z1'])
        q = linear(h, w['wq'], 1, 3) + w['bq']
        c = linear(h, w['wk'], 1, 2) + w['bk']
        v = linear(h, w['wv'], 1, 2) + w['bv']
        x = x + linear(attention(q, c, v, ok), w['wo'], 3, 1) + w['bo']
        h = linear(ln(x, w['n2'], w['z2']), w['up'], 1, 1) + w['bu']
        h = F.gelu(h, approximate='tanh')
        x = x + linear(h, w['down'], 1, 1) + w['bd']
    return ln(x, P['model.nf'], P['model.zf']) @ P['model.emb'].T


def llama(dim, P, tok, doc, mask='causal', rope=rope_half, base=1e4,
          eps=1e-5):
    norm = lambda x, w: F.rms_norm(x, x.shape[-1:], w, eps)
    ok = allowed(dim['s'], mask, doc)
    x = F.embedding(tok, P['model.emb'])
    for l in range(dim['L']):
        w = {n[6:]: t[l] for n, t in P.items() if n.startswith('layer.')}
        h = norm(x, w['n1'])
        q = linear(h, w['attn.wq'], 1, 3)
        c = linear(h, w['attn.wk'], 1, 2)
        v = linear(h, w['attn.wv'], 1, 2)
        if 'attn.qn' in w:
            q, c = norm(q, w['attn.qn']), norm(c, w['attn.kn'])
        o = attention(rope(q, base), rope(c, base), v, ok)
        x = x + linear(o, w['attn.wo'], 3, 1)
        h = norm(x, w['n2'])
        a = F.silu(linear(h, w['mlp.w1'], 1, 1)) * linear(h, w['mlp.w3'], 1, 1)
        x = x + linear(a, w['mlp.w2'], 1, 1)
    return norm(x, P['model.nf']) @ P['model.head']


def mix(dim, P, tok, doc):
    """No repeat; the operations that the others do not use."""
    w = {n[6:]: t for n, t in P.items()}
    x = F.embedding(tok, w['emb'])
    q, c, v = linear(x, w['wq'], 1, 3), linear(x, w['wk'], 1, 2), \
        linear(x, w['wv'], 1, 2)
    o = attention(q, c, v, allowed(dim['s'], 'full', doc))
    x = x + linear(o, w['wo'], 3, 1)
    h = linear(x, w['up'], 1, 1)
    x = x + linear(F.gelu(h) * F.softmax(h, -1), w['down'], 1, 1)
    y = x - x.mean(-1, keepdim=True)
    z = y / 2 - x * w['bias']
    z = z + x * w['gate'] * (x * x).sum(-1, keepdim=True)
    return linear(z, w['head'], 1, 1)


# ---- the models: dims, parameters (order and axes as in the .lt) -----------
GPT2 = '''layer.n1 L e   layer.z1 L e   layer.n2 L e   layer.z2 L e
    layer.wq L e k g d   layer.wk L e k d   layer.wv L e k d
    layer.wo L k g d e   layer.up L e f   layer.down L f e
    layer.bq L k g d   layer.bk L k d   layer.bv L k d   layer.bo L e
    layer.bu L f   layer.bd L e
    model.emb v e   model.pos p e   model.nf e   model.zf e'''
LLAMA = '''layer.n1 L e   layer.n2 L e
    layer.attn.wq L e k g d   layer.attn.wk L e k d   layer.attn.wv L e k d
    layer.attn.wo L k g d e
    layer.mlp.w1 L e f   layer.mlp.w3 L e f   layer.mlp.w2 L f e
    model.emb v e   model.nf e   model.head e v'''
QWEN3 = LLAMA.replace('layer.mlp.w1',
    'layer.attn.qn L d   layer.attn.kn L d   layer.mlp.w1')
MIX = '''model.emb v e   model.wq e k g d   model.wk e k d   model.wv e k d
    model.wo k g d e   model.up e f   model.down f e   model.bias e
    model.gate e   model.head e v'''
GAINS = {'n1', 'n2', 'nf', 'qn', 'kn'}

MODELS = {
    'gpt2': (gpt2, dict(b=5, s=7, e=12, k=3, g=1, d=4, f=10, v=17, p=8, L=2),
             GPT2, {}),
    'llama': (llama, dict(b=5, s=7, e=12, k=2, g=3, d=4, f=10, v=17, L=3),
              LLAMA, {}),
    'qwen3': (llama, dict(b=4, s=5, e=10, k=2, g=3, d=8, f=14, v=19, L=2),
              QWEN3, dict(base=1e6, eps=1e-6)),
    'mistral': (llama, dict(b=3, s=11, e=10, k=2, g=5, d=4, f=12, v=17, L=2),
                LLAMA, dict(mask=3)),
    'docs': (llama, dict(b=5, s=13, e=10, k=3, g=2, d=6, f=11, v=17, L=2),
             LLAMA, dict(mask='same', rope=rope_interleaved)),
    'mix': (mix, dict(b=4, s=7, e=10, k=2, g=3, d=4, f=9, v=13), MIX, {}),
}


def parameters(dim, text):
    P = {}
    for word in text.split():
        if '.' in word:
            P[word] = []
        else:
            P[list(P)[-1]].append(dim[word])
    return {n: weight(n, shape, n.split('.')[-1] in GAINS)
            for n, shape in P.items()}


def render(name):
    """The text of one golden file."""
    forward, dim, text, how = MODELS[name]
    P = parameters(dim, text)
    tok, lab, doc = inputs(dim['b'], dim['s'], dim['v'])
    count = int((lab != -100).sum())
    assert 0 < count < lab.numel()
    logits = forward(dim, P, tok, doc, **how)
    total = F.cross_entropy(logits.flatten(0, 1), lab.flatten(),
                            ignore_index=-100, reduction='sum')
    loss = total / count
    loss.backward()
    out = ['# %s: made by make_golden.py; README.md explains' % name,
           'dims ' + ' '.join('%s=%d' % kv for kv in dim.items()),
           'count %d' % count, 'loss %.17g' % loss.item()]
    for n, p in P.items():
        g = p.grad.flatten()
        shape = ' '.join(map(str, p.shape))
        if g.numel() <= FULL:
            out.append('grad %s all %s' % (n, shape))
            out += ['%.17g' % x for x in g.tolist()]
            continue
        probe = torch.tensor([centred(n + ':probe', i)
                              for i in range(g.numel())])
        out.append('grad %s some %s' % (n, shape))
        out.append('%.17g %.17g %.17g' % (
            g.sum().item(), (g * g).sum().item(), (g * probe).sum().item()))
        for j in range(SAMPLES):
            i = draw(n + ':sample', j) % g.numel()
            out.append('%d %.17g' % (i, g[i].item()))
    return '\n'.join(out) + '\n'


def differs(a, b):
    """None, or the first line in which two golden texts really differ."""
    la, lb = a.split('\n'), b.split('\n')
    for n, (x, y) in enumerate(zip(la, lb)):
        if x == y:
            continue
        try:
            close = all(abs(float(p) - float(q)) <= 1e-12
                        for p, q in zip(x.split()[-3:], y.split()[-3:]))
        except ValueError:
            close = x.split()[0] == 'loss' == y.split()[0] and abs(
                float(x.split()[1]) - float(y.split()[1])) <= 1e-12
        if not close:
            return 'line %d: %s | %s' % (n + 1, x, y)
    return None if len(la) == len(lb) else 'different number of lines'


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--check', action='store_true')
    ap.add_argument('names', nargs='*')
    a = ap.parse_args()
    here = os.path.dirname(os.path.abspath(__file__))
    bad = False
    for name in a.names or MODELS:
        path = os.path.join(here, name + '.golden')
        text = render(name)
        if a.check:
            d = differs(open(path).read(), text)
            bad |= d is not None
            print('%s: %s' % (name, d or 'same'))
        else:
            with open(path, 'w') as f:
                f.write(text)
            print('%s: %d bytes' % (path, len(text)))
    return bad


if __name__ == '__main__':
    sys.exit(main())
