/* Ends the part of a file that "runtime/cpu/simd.h" opened. */
#ifdef SIMD_TARGET
#if defined(__clang__)
SIMD_PRAGMA(clang attribute pop)
#else
SIMD_PRAGMA(GCC pop_options)
#endif
#endif
