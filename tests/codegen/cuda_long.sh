#!/bin/sh
# Programs for GPUs in the emulator: every case of check_codegen, too.
./check_codegen_cuda long
