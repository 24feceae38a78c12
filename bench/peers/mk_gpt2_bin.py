#!/usr/bin/env python3
# Writes what llm.c's CPU trainer reads: mk_gpt2_bin.py DIR TEXTFILE
#
# DIR/gpt2_124M.bin, a version 3 checkpoint (fp32) with GPT-2's initial
# distribution, and DIR/tokens.bin, the bytes of TEXTFILE as uint16 tokens.
# Copy or link tokens.bin to where train_gpt2.c looks for its data.
import sys

import numpy as np

LAYERS, HEADS, WIDTH, SEQ, VOCAB, PADDED = 12, 12, 768, 1024, 50257, 50304


def header(*words):
    h = np.zeros(256, np.int32)
    h[:len(words)] = words
    return h


def tensors(rng):
    def normal(*shape, std=0.02):
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(std)

    def ones(*shape):
        return np.ones(shape, np.float32)

    def zeros(*shape):
        return np.zeros(shape, np.float32)

    n, e = LAYERS, WIDTH
    residual = 0.02 / (2 * n) ** 0.5
    emb = normal(PADDED, e)
    emb[VOCAB:] = 0
    return [emb, normal(SEQ, e), ones(n, e), zeros(n, e),
            normal(n, 3 * e, e), zeros(n, 3 * e),
            normal(n, e, e, std=residual), zeros(n, e), ones(n, e),
            zeros(n, e), normal(n, 4 * e, e), zeros(n, 4 * e),
            normal(n, e, 4 * e, std=residual), zeros(n, e), ones(e), zeros(e)]


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: mk_gpt2_bin.py DIR TEXTFILE')
    out, text = sys.argv[1:]
    with open(out + '/gpt2_124M.bin', 'wb') as f:
        header(20240326, 3, SEQ, VOCAB, LAYERS, HEADS, WIDTH, PADDED).tofile(f)
        for t in tensors(np.random.default_rng(42)):
            t.tofile(f)
    data = np.fromfile(text, np.uint8)
    with open(out + '/tokens.bin', 'wb') as f:
        header(20240520, 1, len(data)).tofile(f)
        data.astype(np.uint16).tofile(f)


if __name__ == '__main__':
    main()
