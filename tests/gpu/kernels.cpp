/* The library kernels, compiled against the emulator. */
#include "codegen/kernels/lk.h"

#include "codegen/kernels/adamw.cuh"
#include "codegen/kernels/convert.cuh"
#include "codegen/kernels/embed.cuh"
#include "codegen/kernels/fill.cuh"
#include "codegen/kernels/fp8.cuh"
#include "codegen/kernels/gemm.cuh"
#include "codegen/kernels/head.cuh"
#include "codegen/kernels/nest.cuh"
#include "codegen/kernels/reduce.cuh"
#include "codegen/kernels/scalar.cuh"
