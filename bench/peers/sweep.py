#!/usr/bin/env python3
# Every configuration of the benchmark at every sensible setting of PyTorch:
#
#     sweep.py [--python PYTHON] [--only NAME] [--dtype fp32|bf16] [--steps N]
#              [--warmup N] [--threads N]
#
# Runs step.py once per setting, each in a process of its own, and passes its
# JSON lines on; a setting that fails gives a line with "error".  best() picks
# the fastest of a list of such lines.  torch.compile needs a C++ compiler.
# On a CPU without AMX and AVX512-BF16 bf16 is emulated: --dtype fp32.
import argparse
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

CONFIGS = {
    'gpt2_b4_t64': ['--model', 'gpt2', '--batch', '4', '--seq', '64'],
    'gpt2_b1_t1024': ['--model', 'gpt2', '--batch', '1', '--seq', '1024'],
    'llama_t512': ['--model', 'llama', '--batch', '4', '--seq', '512'],
    'llama_t4096': ['--model', 'llama', '--batch', '1', '--seq', '4096'],
}

# Naive attention at 4096 needs gigabytes per layer and never wins.  `gqa`
# lets PyTorch share keys and values itself; GPT-2 has nothing to share.
EAGER = [['--dtype', t, '--attn', a]
         for t in ('fp32', 'bf16') for a in ('sdpa', 'gqa', 'naive')]
SETTINGS = EAGER + [s + ['--compile'] for s in EAGER]


def sensible(name, setting):
    if 'gqa' in setting:
        return name.startswith('llama')
    return not ('naive' in setting and name == 'llama_t4096')


def measure(python, name, setting, steps, warmup, threads):
    cmd = [python, os.path.join(HERE, 'step.py')] + CONFIGS[name] + setting
    cmd += ['--steps', str(steps), '--warmup', str(warmup),
            '--threads', str(threads)]
    done = subprocess.run(cmd, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().split('\n') or [''])[-1]
        return {'config': name, 'setting': setting, 'error': last}
    line = json.loads(done.stdout.strip().split('\n')[-1])
    return {'config': name, 'setting': setting, **line}


def best(lines, dtype=None):
    good = [x for x in lines if 'error' not in x
            and dtype in (None, x['dtype'])]
    return min(good, key=lambda x: x['median_ms'], default=None)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('--python', default=sys.executable)
    ap.add_argument('--only', choices=CONFIGS, action='append')
    ap.add_argument('--dtype', choices=['fp32', 'bf16'], action='append')
    ap.add_argument('--steps', type=int, default=5)
    ap.add_argument('--warmup', type=int, default=2)
    ap.add_argument('--threads', type=int, default=0)
    a = ap.parse_args()
    for name in a.only or CONFIGS:
        for setting in SETTINGS:
            if not sensible(name, setting):
                continue
            if a.dtype and setting[1] not in a.dtype:
                continue
            print(json.dumps(measure(a.python, name, setting, a.steps,
                                     a.warmup, a.threads)), flush=True)


if __name__ == '__main__':
    main()
