#!/usr/bin/env python3
# What bench/gpu/run compares with: PyTorch on the first GPU, a line of JSON.
#
#     peer.py attn D HEADS KV TOKENS CAUSAL BATCH   ms of the faster of cuDNN
#                                                   and FlashAttention
#     peer.py copy BYTES                            ms
#     peer.py step MODEL TOKENS                     ms and peak MiB of a step
#
# Medians of 20 (steps: 5) after a warm-up, by CUDA events.  A step is bf16
# autocast of fp32 weights, torch.compile, the fused AdamW, and the faster
# backend of attention; where memory does not suffice, layers are recomputed.
import json
import os
import statistics
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                '..', 'peers'))
import step as cpu  # noqa: E402

BACKENDS = {'cudnn': SDPBackend.CUDNN_ATTENTION,
            'flash': SDPBackend.FLASH_ATTENTION}
# layers, width, heads, kv heads, ffn, vocabulary: as in models/NAME.lt
MODELS = {'llama_1b': (16, 2048, 32, 8, 8192, 128256),
          'block_8b': (4, 4096, 32, 8, 14336, 32000)}


def median_ms(call, warmup=5, timed=20):
    ms = []
    for i in range(warmup + timed):
        a, b = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        a.record()
        call()
        b.record()
        b.synchronize()
        ms.append(a.elapsed_time(b))
    return statistics.median(ms[warmup:])


def attn(d, heads, kv, tokens, causal, batch):
    def new(h):
        return torch.randn(batch, h, tokens, d, device='cuda',
                           dtype=torch.bfloat16, requires_grad=True)
    q, k, v = new(heads), new(kv), new(kv)
    best = {}
    for name, backend in BACKENDS.items():
        try:
            with sdpa_kernel(backend):
                def forward():
                    return F.scaled_dot_product_attention(
                        q, k, v, is_causal=bool(causal), enable_gqa=kv < heads)
                o = forward()
                do = torch.randn_like(o)
                ms = {'forward_ms': median_ms(forward),
                      'backward_ms': median_ms(lambda: torch.autograd.grad(
                          o, (q, k, v), do, retain_graph=True))}
        except RuntimeError as e:
            best[name] = str(e)[:80]
            continue
        best[name] = ms
        for key in ms:
            best[key] = min(best.get(key, 1e30), ms[key])
    return best


def copy(size):
    x, y = (torch.empty(size, device='cuda', dtype=torch.uint8)
            for _ in range(2))
    return {'copy_ms': median_ms(lambda: y.copy_(x))}


class Llama(nn.Module):
    def __init__(self, shape, tokens, again):
        super().__init__()
        layers, e, heads, kv, f, v = shape
        d = e // heads
        self.again = again
        self.emb = nn.Embedding(v, e)
        self.layer = nn.ModuleList(
            cpu.LlamaLayer(e, heads, kv, f, 'gqa') for _ in range(layers))
        self.norm = nn.RMSNorm(e, eps=1e-5)
        self.head = nn.Linear(e, v, bias=False)
        inv = 500000.0 ** (-torch.arange(0, d, 2).float() / d)
        angle = torch.outer(torch.arange(tokens).float(), inv)
        self.register_buffer('cos', angle.cos())
        self.register_buffer('sin', angle.sin())

    def forward(self, tok, lab):
        x = self.emb(tok)
        for layer in self.layer:
            x = checkpoint(layer, x, self.cos, self.sin, use_reentrant=False) \
                if self.again else layer(x, self.cos, self.sin)
        return F.cross_entropy(self.head(self.norm(x)).flatten(0, 1).float(),
                               lab.flatten())


def one_step(name, tokens, again):
    torch.manual_seed(0)
    shape = MODELS[name]
    with torch.device('cuda'):
        model = Llama(shape, tokens, again)
        data = torch.randint(0, shape[-1], (1, tokens + 1))
    opt = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    run = torch.compile(model)
    tok, lab = data[:, :-1].contiguous(), data[:, 1:].contiguous()

    def call():
        with torch.autocast('cuda', dtype=torch.bfloat16):
            loss = run(tok, lab)
        loss.backward()
        opt.step()
        opt.zero_grad(set_to_none=True)
    ms = median_ms(call, 3, 5)
    return {'step_ms': ms, 'recomputed': again,
            'peak_mib': torch.cuda.max_memory_reserved() >> 20}


def step(name, tokens):
    try:
        return one_step(name, tokens, False)
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
    try:
        return one_step(name, tokens, True)
    except torch.cuda.OutOfMemoryError:
        return {'step_ms': None, 'peak_mib': None, 'recomputed': True}


def main():
    what, rest = sys.argv[1], sys.argv[2:]
    if what == 'step':
        x = step(rest[0], int(rest[1]))
    else:
        x = {'attn': attn, 'copy': copy}[what](*map(int, rest))
    driver = torch.cuda.get_device_name()
    print(json.dumps(dict(x, peer='pytorch', version=torch.__version__,
                          gpu=driver)), flush=True)


if __name__ == '__main__':
    main()
