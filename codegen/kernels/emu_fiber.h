/*
 * Fibers: a stack and the registers that a function call keeps.  One runs at
 * a time on an OS thread; fiber_switch leaves one and goes on with another.
 *
 * On x86-64 a switch is a dozen instructions; elsewhere, or with
 * -DEMU_UCONTEXT, it is swapcontext (ten times slower).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined __x86_64__ && !defined EMU_UCONTEXT
#define EMU_UCONTEXT
#endif
#ifdef EMU_UCONTEXT
#include <ucontext.h>
#endif
#ifdef __SANITIZE_ADDRESS__ /* gcc */
#define EMU_ASAN
#elif defined __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define EMU_ASAN
#endif
#endif
#ifdef EMU_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace emu {

#ifdef EMU_UCONTEXT
struct Context {
	ucontext_t at;
};

inline void
fiber_switch(Context &from, Context &to)
{
	swapcontext(&from.at, &to.at);
}

inline void
fiber_start(Context &c, char *stack, size_t size, void (*entry)())
{
	getcontext(&c.at);
	c.at.uc_stack.ss_sp = stack;
	c.at.uc_stack.ss_size = size;
	c.at.uc_link = nullptr;
	makecontext(&c.at, entry, 0);
}
#else
struct Context {
	void *sp;
};

/* Saves what the System V ABI calls callee-saved; %rsp says where. */
extern "C" void lk_emu_switch(void **from, void *to);
asm(".text\n"
    ".weak lk_emu_switch\n"
    ".type lk_emu_switch, @function\n"
    "lk_emu_switch:\n"
    "	push %rbp\n	push %rbx\n"
    "	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
    "	mov %rsp, (%rdi)\n"
    "	mov %rsi, %rsp\n"
    "	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n"
    "	pop %rbx\n	pop %rbp\n"
    "	ret\n"
    ".size lk_emu_switch, . - lk_emu_switch\n");

inline void
fiber_switch(Context &from, Context &to)
{
	lk_emu_switch(&from.sp, to.sp);
}

/* The first switch pops six registers and returns to entry, which finds the
 * stack as after a call: 8 bytes below a multiple of 16. */
inline void
fiber_start(Context &c, char *stack, size_t size, void (*entry)())
{
	void **sp = (void **)((uintptr_t)(stack + size - 64) & ~(uintptr_t)15);

	*--sp = nullptr;
	*--sp = (void *)entry;
	for (int i = 0; i < 6; i++)
		*--sp = nullptr;
	c.sp = sp;
}
#endif

/* What the last fiber on this stack left of ASan's marks. */
inline void
fiber_clean(char *stack, size_t size)
{
#ifdef EMU_ASAN
	__asan_unpoison_memory_region(stack, size);
#else
	(void)stack;
	(void)size;
#endif
}

} // namespace emu
