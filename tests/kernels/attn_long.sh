#!/bin/sh
# Attention: every shape, head dim and mode of the emulator.
./check_attn_sm80 long && ./check_attn_sm90 long
