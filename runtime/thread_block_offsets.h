/* Offsets into ThreadBlock, shared by gate.S and thread_block.hpp, which asserts them. */
#ifndef SUDRUN_THREAD_BLOCK_OFFSETS_H
#define SUDRUN_THREAD_BLOCK_OFFSETS_H
#define TB_SELF 0
#define TB_SELECTOR 8
#define TB_SIDE 9
#define TB_FSGSBASE 10
#define TB_NOT_ENTERED 11
#define TB_PENDING 12
#define TB_HOST_FS 16
#define TB_HOST_RSP 32
#define TB_VECTOR_SAVE 40
#define TB_VECTOR_LOAD 41
#define TB_IN_USE 44
#define TB_IMAGE 48
#define TB_OWN_IMAGE 56
#define TB_LOAD_MASK 64
#define TB_RETURN 72
#define TB_NUMBER 80
#define TB_RESULT 88
#define TB_FAST 96
#define TB_STATUS 104
#define TB_ENTRY 106
#define TB_DIFFERS 107
#define TB_KEEPS_RDX 108
#define TB_SAVE_MASK 112
#define TB_SITE_CALLS 120
#define TB_REGS 128
#define TB_FS 272

/* abi::Registers, in TB_REGS */
#define TB_R8 (TB_REGS + 0)
#define TB_R9 (TB_REGS + 8)
#define TB_R10 (TB_REGS + 16)
#define TB_R11 (TB_REGS + 24)
#define TB_R12 (TB_REGS + 32)
#define TB_R13 (TB_REGS + 40)
#define TB_R14 (TB_REGS + 48)
#define TB_R15 (TB_REGS + 56)
#define TB_RDI (TB_REGS + 64)
#define TB_RSI (TB_REGS + 72)
#define TB_RBP (TB_REGS + 80)
#define TB_RBX (TB_REGS + 88)
#define TB_RDX (TB_REGS + 96)
#define TB_RAX (TB_REGS + 104)
#define TB_RCX (TB_REGS + 112)
#define TB_RSP (TB_REGS + 120)
#define TB_RIP (TB_REGS + 128)
#define TB_RFLAGS (TB_REGS + 136)

/* FastPath */
#define FAST_LIMIT 0
#define FAST_GUEST_TOP 8
#define FAST_CLOCK 16
#define FAST_CLOCK_IDS 24
#define FAST_CLOCK_ID_COUNT 16
#define FAST_FIRST_HIDDEN 40
#define FAST_LONGEST 48
#define FAST_ERRNOS 64
#define FAST_CALLS 4160

/* ThreadBlock::entry: how the host loop was entered. */
#define ENTRY_TRAP 0
#define ENTRY_SITE 1   /* from a rewritten site, with the guest's registers in the block */
#define ENTRY_RESULT 2 /* the same; the native call has been made, and its result is in TB_RESULT */
#define ENTRY_AGAIN 3  /* nothing was called: the guest could not be resumed the way it was tried */

/* ucontext_t of a signal frame: the alternate signal stack of the thread. */
#define UC_STACK_START 16
#define UC_STACK_SIZE 32

/* In Resume::selector_and_side. */
#define RESUME_HOST_LOOP 0x10000

/* ThreadBlock::vector_save: what the processor offers. */
#define VECTOR_FXSAVE 0
#define VECTOR_XSAVE 1
#define VECTOR_XINUSE 2 /* XSAVE, and XGETBV tells which components are in use */
/* ThreadBlock::vector_load: how the guest's state comes back. */
#define LOAD_IMAGE 0
#define LOAD_REGISTERS 1 /* only what TB_IN_USE says; the image is right as well */
/* XSAVE components. */
#define COMPONENT_X87 1
#define COMPONENT_SSE 2
#define COMPONENT_AVX 4
#define COMPONENT_PKRU 0x200
#define COMPONENT_AMX 0x60000 /* a guest may use it, and then it stays where it is: we do not */
#endif
