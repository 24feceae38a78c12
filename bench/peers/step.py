#!/usr/bin/env python3
# One training step in PyTorch on CPU, many times: forward, backward, AdamW.
#
#     step.py --model gpt2|llama --batch 4 --seq 64 [--dtype fp32|bf16]
#             [--attn sdpa|gqa|naive] [--compile] [--vocab N] [--threads N]
#             [--steps N] [--warmup N] [--clock wall|cpu]
#
# --clock cpu counts the processor's time of all threads, which other programs
# disturb less: for --threads 1.
#
# Prints one JSON line: the settings, ms of every step after the warm-up, their
# median, GFLOP per step and per second, peak resident memory (VmHWM, MiB),
# versions and CPU.  bf16 is autocast: fp32 weights and optimizer.  FLOPs:
# 6 per matrix parameter (the looked-up table does not count, a tied head
# does) and token, and 6 layers batch seq^2 width for causal attention.
import argparse
import contextlib
import json
import math
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def options():
    ap = argparse.ArgumentParser()
    ap.add_argument('--model', choices=['gpt2', 'llama'], required=True)
    ap.add_argument('--batch', type=int, required=True)
    ap.add_argument('--seq', type=int, required=True)
    ap.add_argument('--dtype', choices=['fp32', 'bf16'], default='fp32')
    ap.add_argument('--attn', choices=['sdpa', 'gqa', 'naive'],
                    default='sdpa')
    ap.add_argument('--compile', action='store_true')
    ap.add_argument('--vocab', type=int, default=0)
    ap.add_argument('--threads', type=int, default=0)
    ap.add_argument('--steps', type=int, default=5)
    ap.add_argument('--warmup', type=int, default=2)
    ap.add_argument('--clock', choices=['wall', 'cpu'], default='wall')
    return ap.parse_args()


def attention(q, k, v, how):
    """Causal; q [b, heads, s, d], k and v [b, kv heads, s, d]."""
    r = q.shape[1] // k.shape[1]
    if how == 'gqa' and r > 1:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True,
                                              enable_gqa=True)
    if r > 1:
        k, v = k.repeat_interleave(r, 1), v.repeat_interleave(r, 1)
    if how != 'naive':
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    s = q.shape[-2]
    late = torch.ones(s, s, dtype=torch.bool).triu(1)
    score = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(q.shape[-1]))
    return F.softmax(score.masked_fill(late, float('-inf')), -1) @ v


class GptLayer(nn.Module):
    def __init__(self, e, heads, how):
        super().__init__()
        self.heads, self.how = heads, how
        self.n1, self.n2 = nn.LayerNorm(e), nn.LayerNorm(e)
        self.qkv, self.o = nn.Linear(e, 3 * e), nn.Linear(e, e)
        self.up, self.down = nn.Linear(e, 4 * e), nn.Linear(4 * e, e)

    def forward(self, x):
        b, s, e = x.shape
        q, k, v = (t.view(b, s, self.heads, e // self.heads).transpose(1, 2)
                   for t in self.qkv(self.n1(x)).split(e, 2))
        a = attention(q, k, v, self.how).transpose(1, 2).reshape(b, s, e)
        x = x + self.o(a)
        h = F.gelu(self.up(self.n2(x)), approximate='tanh')
        return x + self.down(h)


class Gpt(nn.Module):
    layers, width = 12, 768

    def __init__(self, v, how):
        super().__init__()
        e = self.width
        self.emb, self.pos = nn.Embedding(v, e), nn.Embedding(1024, e)
        self.layer = nn.ModuleList(
            GptLayer(e, 12, how) for _ in range(self.layers))
        self.norm = nn.LayerNorm(e)
        self.head = nn.Linear(e, v, bias=False)
        self.head.weight = self.emb.weight
        self.not_matrix = {'pos.weight'}

    def forward(self, tok, lab):
        x = self.emb(tok) + self.pos.weight[:tok.shape[1]]
        for layer in self.layer:
            x = layer(x)
        logits = self.head(self.norm(x)).flatten(0, 1).float()
        return F.cross_entropy(logits, lab.flatten())


def rope(x, cos, sin):
    x1, x2 = x.chunk(2, -1)
    return torch.cat((x1 * cos - x2 * sin, x2 * cos + x1 * sin), -1)


class LlamaLayer(nn.Module):
    def __init__(self, e, heads, kv, f, how):
        super().__init__()
        self.split = [heads, kv, kv]
        self.d, self.how = e // heads, how
        self.n1, self.n2 = nn.RMSNorm(e, eps=1e-5), nn.RMSNorm(e, eps=1e-5)
        self.qkv = nn.Linear(e, sum(self.split) * self.d, bias=False)
        self.o = nn.Linear(e, e, bias=False)
        self.w13 = nn.Linear(e, 2 * f, bias=False)
        self.w2 = nn.Linear(f, e, bias=False)

    def forward(self, x, cos, sin):
        b, s, e = x.shape
        qkv = self.qkv(self.n1(x)).view(b, s, sum(self.split), self.d)
        q, k, v = qkv.transpose(1, 2).split(self.split, 1)
        q, k = (rope(t, cos, sin).to(v.dtype) for t in (q, k))
        a = attention(q, k, v, self.how).transpose(1, 2).reshape(b, s, e)
        x = x + self.o(a)
        u, t = self.w13(self.n2(x)).chunk(2, -1)
        return x + self.w2(F.silu(u) * t)


class Llama(nn.Module):
    layers, width = 8, 512

    def __init__(self, v, how, s):
        super().__init__()
        e, d = self.width, 64
        self.emb = nn.Embedding(v, e)
        self.layer = nn.ModuleList(
            LlamaLayer(e, 8, 4, 1408, how) for _ in range(self.layers))
        self.norm = nn.RMSNorm(e, eps=1e-5)
        self.head = nn.Linear(e, v, bias=False)
        inv = 10000.0 ** (-torch.arange(0, d, 2).float() / d)
        angle = torch.outer(torch.arange(s).float(), inv)
        self.register_buffer('cos', angle.cos())
        self.register_buffer('sin', angle.sin())
        self.not_matrix = {'emb.weight'}

    def forward(self, tok, lab):
        x = self.emb(tok)
        for layer in self.layer:
            x = layer(x, self.cos, self.sin)
        logits = self.head(self.norm(x)).flatten(0, 1).float()
        return F.cross_entropy(logits, lab.flatten())


def gflop_per_step(model, b, s):
    matrices = sum(p.numel() for n, p in model.named_parameters()
                   if p.dim() == 2 and n not in model.not_matrix)
    return (6 * matrices * b * s
            + 6 * model.layers * b * s * s * model.width) / 1e9


def line_of(path, key):
    with open(path) as f:
        for line in f:
            if line.startswith(key):
                return line.split(':', 1)[1].strip()
    return ''


def main():
    a = options()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    v = a.vocab or {'gpt2': 50257, 'llama': 32000}[a.model]
    model = Gpt(v, a.attn) if a.model == 'gpt2' else Llama(v, a.attn, a.seq)
    for p in model.parameters():
        if p.dim() == 2:
            nn.init.normal_(p, std=0.02)
    opt = torch.optim.AdamW(model.parameters(), lr=3e-4, weight_decay=0.1,
                            fused=True)
    run = torch.compile(model) if a.compile else model
    data = torch.randint(0, v, (a.batch, a.seq + 1))
    tok, lab = data[:, :-1].contiguous(), data[:, 1:].contiguous()
    half = torch.autocast('cpu', dtype=torch.bfloat16)
    clock = time.process_time if a.clock == 'cpu' else time.perf_counter
    ms, loss = [], None
    for _ in range(a.warmup + a.steps):
        t = clock()
        with half if a.dtype == 'bf16' else contextlib.nullcontext():
            loss = run(tok, lab)
        loss.backward()
        opt.step()
        opt.zero_grad(set_to_none=True)
        ms.append((clock() - t) * 1e3)
    median = statistics.median(ms[a.warmup:])
    gflop = gflop_per_step(model, a.batch, a.seq)
    print(json.dumps({
        'peer': 'pytorch', 'model': a.model, 'batch': a.batch, 'seq': a.seq,
        'dtype': a.dtype, 'attn': a.attn, 'compile': a.compile, 'vocab': v,
        'ms': [round(x, 1) for x in ms[a.warmup:]],
        'warmup_ms': [round(x, 1) for x in ms[:a.warmup]],
        'median_ms': round(median, 1), 'gflop': round(gflop, 1),
        'gflop_s': round(gflop / median * 1e3, 1), 'loss': loss.item(),
        'peak_mib': int(line_of('/proc/self/status', 'VmHWM').split()[0])
        // 1024,
        'threads': torch.get_num_threads(),
        'parameters': sum(p.numel() for p in model.parameters()),
        'version': torch.__version__,
        'cpu': line_of('/proc/cpuinfo', 'model name')}), flush=True)


if __name__ == '__main__':
    main()
